//! Servers of one cluster as processes: who is let in, who is told what, and what the log says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Process, get};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(name: &str, more: &str) -> Process {
    Process::start(&format!("-a 127.0.0.1 -p -1 -m -1 -n {name} --cluster_name C {more}"))
}

fn seed(more: &str) -> (Process, String) {
    let mut seed = start("seed", &format!("--cluster nats://u:secret@127.0.0.1:-1 {more}"));
    let line = seed.line_with("Listening for route connections on ");
    let address = line.rsplit(' ').next().unwrap().to_owned();
    (seed, address)
}

fn member(name: &str, seed: &str) -> Process {
    start(name, &format!("--cluster nats://u:secret@127.0.0.1:-1 --routes nats://u:secret@{seed}"))
}

/// Returns when a server has so many routes.
fn routes(server: &mut Process, count: u64) -> Value {
    let (port, deadline) = (server.monitor_port(), Clock::now() + PATIENCE);
    loop {
        let routez: Value = serde_json::from_str(&get(port, "/routez").2).unwrap();
        if routez["num_routes"] == count {
            return routez;
        }
        assert!(Clock::now() < deadline, "{routez}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A client that speaks the protocol itself.
struct Client {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Client {
    fn connect(server: &mut Process) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", server.client_port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        let mut client = Client { stream, lines };
        assert!(client.line().starts_with("INFO "));
        client.says("CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nPING\r\n");
        assert_eq!(client.line(), "PONG");
        client
    }

    fn says(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

#[test]
fn three_servers_find_each_other_by_one_seed_and_pass_messages_on() {
    let (mut a, address) = seed("");
    let (mut b, mut c) = (member("b", &address), member("c", &address));
    for server in [&mut a, &mut b, &mut c] {
        routes(server, 2);
    }
    let (mut subscriber, mut publisher) = (Client::connect(&mut c), Client::connect(&mut b));
    subscriber.says("SUB news.* 1\r\nPING\r\n");
    assert_eq!(subscriber.line(), "PONG");
    let knows = |routez: &Value| {
        routez["routes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|route| route["remote_name"] == "c" && route["subscriptions"] == 1)
    };
    let deadline = Clock::now() + PATIENCE;
    while !knows(&routes(&mut b, 2)) {
        assert!(Clock::now() < deadline);
    }
    publisher.says("PUB news.today 2\r\nhi\r\nPUB news.tomorrow 2\r\nho\r\n");
    let heard: Vec<String> = (0..4).map(|_| subscriber.line()).collect();
    assert_eq!(heard, ["MSG news.today 1 2", "hi", "MSG news.tomorrow 1 2", "ho"]);
    let varz: Value = serde_json::from_str(&a.get("/varz").2).unwrap();
    assert_eq!((&varz["routes"], &varz["cluster"]["name"]), (&Value::from(2), &Value::from("C")));
    assert_eq!(varz["connect_urls"].as_array().unwrap().len(), 3);
    a.line_with("Cluster name is C");
    a.line_with("Route connection created");
    // One that ends is seen to end.
    assert_eq!(c.stop("TERM").0, Some(0));
    b.line_with("Router connection closed: Client Closed - Remote: c");
    routes(&mut a, 1);
}

#[test]
fn who_does_not_belong_is_told_why() {
    let (mut a, address) = seed("");
    let mut wrong_secret = start("x", &format!("--cluster nats://u:guess@127.0.0.1:-1 --routes nats://{address}"));
    wrong_secret.line_with("refused: the secret is not the cluster's");
    a.line_with("the secret is not the cluster's");
    let mut same_name = member("seed", &address);
    same_name.line_with("another server of the cluster has the name \"seed\"");
    let mut wrong_cluster = Process::start(&format!(
        "-a 127.0.0.1 -p -1 --cluster_name D --cluster nats://u:secret@127.0.0.1:-1 --routes nats://{address}"
    ));
    wrong_cluster.line_with("cluster name \"D\" is not \"C\"");
    routes(&mut a, 0);
}

#[test]
fn strangers_at_the_route_port_are_turned_away_in_one_line() {
    let (mut a, address) = seed("");
    let huge = [0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0];
    for poke in [&b"CONNECT {}\r\nPING\r\n"[..], &huge, &[0; 64], &[0xff; 5000], b""] {
        let mut stranger = TcpStream::connect(&address).unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        stranger.write_all(poke).unwrap();
        let mut heard = Vec::new();
        // A poke that was not read whole ends in a reset, behind the line.
        let _ = stranger.read_to_end(&mut heard);
        assert_eq!(heard, b"-ERR 'attempted to connect to route port'\r\n", "{poke:?}");
    }
    a.line_with("attempted to connect to route port");
    let mut b = member("b", &address);
    routes(&mut b, 1);
}

#[test]
fn a_nats_server_at_the_other_end_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"INFO {\"server_id\":\"N\",\"version\":\"2.15.1\",\"cluster\":\"C\"} \r\n");
            let _ = stream.read(&mut [0; 512]);
        }
    });
    let mut a = start("a", &format!("--cluster nats://127.0.0.1:-1 --routes nats://{address}"));
    let line = a.line_with("Error trying to connect to route");
    assert!(line.contains("nats-server") && line.contains(&address.to_string()), "{line}");
}

#[test]
fn a_cluster_open_to_all_is_warned_of() {
    let mut a = Process::start("-a 127.0.0.1 -p -1 --cluster nats://0.0.0.0:-1");
    a.line_with("The cluster has no secret");
}

/// The clock of these tests: they wait for processes.
struct Clock;

impl Clock {
    #[allow(clippy::disallowed_methods)]
    fn now() -> Instant {
        Instant::now()
    }
}
