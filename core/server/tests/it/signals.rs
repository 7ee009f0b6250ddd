//! Signals.

use std::net::TcpStream;

use crate::process::Process;

#[test]
fn interrupt_and_terminate_stop_the_server_with_exit_code_0() {
    for (signal, name) in [("INT", "interrupt"), ("TERM", "terminated")] {
        let mut server = Process::start("-a 127.0.0.1 -p -1 -m -1");
        let port = server.client_port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (code, texts) = server.stop(signal);
        assert_eq!(code, Some(0), "{texts:#?}");
        let last: Vec<&str> = texts.iter().rev().take(3).rev().map(String::as_str).collect();
        assert_eq!(last[0], format!("[INF] Trapped \"{name}\" signal"), "{texts:#?}");
        assert_eq!(last[1..], ["[INF] Initiating Shutdown...", "[INF] Server Exiting.."]);
        drop(client);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[test]
fn other_signals_are_answered_in_the_log_and_kill_nobody() {
    let mut server = Process::start("-a 127.0.0.1 -p -1");
    for (signal, told) in [
        (
            "HUP",
            "[ERR] Failed to reload server configuration: can only reload config when a file is provided using -c or --config",
        ),
        ("USR1", "[INF] File log re-open ignored, not a file logger"),
        ("USR2", "[ERR] Failed to enter lame duck mode: it is not built yet"),
    ] {
        server.signal(signal);
        server.line_with(told);
    }
    assert_eq!(server.stop("TERM").0, Some(0));
}
