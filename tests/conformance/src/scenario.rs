//! A scenario: a name, a set-up, and steps over named connections. Pure data; `player` carries it out.

use std::time::Duration;

use crate::limits::QUIET_WAIT;
use crate::setup::Setup;

/// The connection that steps speak of until [`Scenario::on`] names another.
pub const FIRST: &str = "a";
/// CONNECT as most clients send it.
pub const CONNECT: &str =
    r#"CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}"#;

/// One thing to do on one connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// Connect, and read the INFO.
    Open,
    /// Send bytes.
    Send(Vec<u8>),
    /// Send bytes one by one.
    Dribble(Vec<u8>),
    /// Send a PING and read until its PONG, so that everything before it has been dealt with.
    Sync,
    /// Like `Sync`, but the order of what comes before the PONG does not count.
    SyncUnordered,
    /// Read so many frames.
    Expect(usize),
    /// Read so many frames whose order does not count.
    ExpectUnordered(usize),
    /// Read for a while, and expect nothing.
    Quiet(Duration),
    /// Read until the server closes.
    UntilClosed,
    /// End the sending side only.
    FinishSending,
    /// Close from our side.
    Close,
    /// Publish with a reply to an inbox and read until the answer.
    Request { subject: String, headers: Option<String>, body: String },
    /// Remember a value of the last answer's JSON (by JSON pointer) as a variable.
    Capture { pointer: &'static str, name: &'static str },
    /// Let time pass.
    Wait(Duration),
    /// Stop the server with SIGTERM, or kill it, and start it again on the same folder. All connections end.
    Restart { kill: bool },
}

/// An act and the connection it happens on.
#[derive(Clone, Debug)]
pub struct Step {
    /// The connection's name.
    pub on: &'static str,
    /// What to do.
    pub act: Act,
}

/// A named list of steps on a server with a given set-up.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `group/topic/sentence`.
    pub name: String,
    /// The server's set-up.
    pub setup: Setup,
    /// What is done.
    pub steps: Vec<Step>,
    /// Subscription ids that stand for one another, such as the members of a queue group.
    pub equal_sids: &'static [&'static str],
    /// Whether the fields of INFO are compared, not only that it comes.
    pub info_fields: bool,
    current: &'static str,
}

/// Begins a scenario; its name is a sentence with underscores.
pub fn scenario(name: &str) -> Scenario {
    Scenario {
        name: name.into(),
        setup: Setup::CORE,
        steps: Vec::new(),
        equal_sids: &[],
        info_fields: false,
        current: FIRST,
    }
}

/// Puts scenarios under a topic, and gives those without one of their own a set-up.
pub fn topic(path: &str, setup: Setup, scenarios: Vec<Scenario>) -> Vec<Scenario> {
    let adopt = |mut scenario: Scenario| {
        scenario.name = format!("{path}/{}", scenario.name);
        scenario.setup.jetstream |= setup.jetstream;
        scenario
    };
    scenarios.into_iter().map(adopt).collect()
}

impl Scenario {
    /// The server's set-up.
    pub fn with(mut self, setup: Setup) -> Self {
        self.setup = setup;
        self
    }

    /// These subscription ids stand for one another.
    pub fn equal_sids(mut self, sids: &'static [&'static str]) -> Self {
        self.equal_sids = sids;
        self
    }

    /// The fields of INFO are the point of this scenario.
    pub fn with_info_fields(mut self) -> Self {
        self.info_fields = true;
        self
    }

    /// The steps that follow happen on this connection.
    pub fn on(mut self, connection: &'static str) -> Self {
        self.current = connection;
        self
    }

    /// Connects and reads the INFO.
    pub fn open(self) -> Self {
        self.act(Act::Open)
    }

    /// Connects as most clients do, and waits until that has been dealt with. The first PING is answered by a PONG
    /// and, as the client speaks protocol 1, by a second INFO.
    pub fn hello(self) -> Self {
        self.open().line(CONNECT).sync().expect(1)
    }

    /// Connects with a CONNECT of one's own, and waits until that has been dealt with.
    pub fn hello_with(self, connect_json: &str) -> Self {
        self.open().line(&format!("CONNECT {connect_json}")).sync()
    }

    /// Sends a control line; the line end is added.
    pub fn line(self, line: &str) -> Self {
        let bytes = format!("{line}\r\n");
        self.raw(bytes.as_bytes())
    }

    /// Sends bytes as they are.
    pub fn raw(self, bytes: &[u8]) -> Self {
        self.act(Act::Send(bytes.to_vec()))
    }

    /// Sends a PUB.
    pub fn publish(self, subject: &str, body: &str) -> Self {
        let bytes = format!("PUB {subject} {}\r\n{body}\r\n", body.len());
        self.raw(bytes.as_bytes())
    }

    /// Sends an HPUB; `headers` are lines such as `A: 1\r\n`.
    pub fn publish_with_headers(self, subject: &str, headers: &str, body: &str) -> Self {
        self.raw(hpub(subject, headers, body).as_bytes())
    }

    /// Sends bytes one by one.
    pub fn dribble(self, bytes: &str) -> Self {
        self.act(Act::Dribble(bytes.as_bytes().to_vec()))
    }

    /// PING, and everything up to its PONG.
    pub fn sync(self) -> Self {
        self.act(Act::Sync)
    }

    /// PING, and everything up to its PONG in any order.
    pub fn sync_unordered(self) -> Self {
        self.act(Act::SyncUnordered)
    }

    /// Reads so many frames.
    pub fn expect(self, count: usize) -> Self {
        self.act(Act::Expect(count))
    }

    /// Reads so many frames whose order does not count.
    pub fn expect_unordered(self, count: usize) -> Self {
        self.act(Act::ExpectUnordered(count))
    }

    /// Nothing arrives for a moment.
    pub fn quiet(self) -> Self {
        self.act(Act::Quiet(QUIET_WAIT))
    }

    /// Reads until the server closes.
    pub fn until_closed(self) -> Self {
        self.act(Act::UntilClosed)
    }

    /// Ends the sending side only.
    pub fn finish_sending(self) -> Self {
        self.act(Act::FinishSending)
    }

    /// Closes from our side.
    pub fn close(self) -> Self {
        self.act(Act::Close)
    }

    /// Asks with a body and reads the answer.
    pub fn request(self, subject: &str, body: &str) -> Self {
        self.act(Act::Request { subject: subject.into(), headers: None, body: body.into() })
    }

    /// Asks with headers (lines such as `A: 1\r\n`) and a body, and reads the answer.
    pub fn request_with_headers(self, subject: &str, headers: &str, body: &str) -> Self {
        self.act(Act::Request { subject: subject.into(), headers: Some(headers.into()), body: body.into() })
    }

    /// Remembers a value of the last answer's JSON as `${name}`.
    pub fn capture(self, pointer: &'static str, name: &'static str) -> Self {
        self.act(Act::Capture { pointer, name })
    }

    /// Lets time pass.
    pub fn wait_ms(self, milliseconds: u64) -> Self {
        self.act(Act::Wait(Duration::from_millis(milliseconds)))
    }

    /// Stops the server in peace and starts it again.
    pub fn restart(self) -> Self {
        self.act(Act::Restart { kill: false })
    }

    /// Kills the server and starts it again.
    pub fn kill_and_restart(self) -> Self {
        self.act(Act::Restart { kill: true })
    }

    fn act(mut self, act: Act) -> Self {
        self.steps.push(Step { on: self.current, act });
        self
    }
}

/// An HPUB frame. `headers` are whole lines; the status line and the closing empty line are added.
pub fn hpub(subject: &str, headers: &str, body: &str) -> String {
    let block = format!("NATS/1.0\r\n{headers}\r\n");
    let total = block.len() + body.len();
    format!("HPUB {subject} {} {total}\r\n{block}{body}\r\n", block.len())
}
