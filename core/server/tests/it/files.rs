//! Pid file, ports file, log file.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{BINARY, Process, run, stderr};

#[test]
fn pid_and_ports_files_are_there_once_the_server_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display();
    let mut server = Process::start(&format!("-a 127.0.0.1 -p -1 -m -1 -P {dir}/pid --ports_file_dir {dir}"));
    let (port, monitor, id) = (server.client_port(), server.monitor_port(), server.id());
    assert_eq!(fs::read_to_string(folder.path().join("pid")).unwrap(), id.to_string());
    let ports = folder.path().join(format!("forebay_{id}.ports"));
    let wanted = format!("{{\"nats\":[\"nats://127.0.0.1:{port}\"],\"monitoring\":[\"http://127.0.0.1:{monitor}\"]}}");
    // It is written just after "Server is ready", as nats-server's; readers wait up to 5 s.
    for _ in 0..100 {
        if ports.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(fs::read_to_string(&ports).unwrap(), wanted);
    let (code, _) = server.stop("TERM");
    assert_eq!(code, Some(0));
    assert!(!ports.exists() && folder.path().join("pid").exists());
}

#[test]
fn a_link_called_nats_server_names_its_ports_file_so() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("nats-server");
    symlink(BINARY, &link).unwrap();
    let mut server = Process::spawn(&link, &format!("-a 127.0.0.1 -p -1 --ports_file_dir {}", folder.path().display()));
    server.line_with("Starting nats-server");
    server.line_with("Server is ready");
    let path = folder.path().join(format!("nats-server_{}.ports", server.id()));
    for _ in 0..100 {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} is not there", path.display());
}

#[test]
fn a_pid_file_that_cannot_be_written_is_fatal() {
    let output = run("-a 127.0.0.1 -p -1 -P /nowhere/pid");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.ends_with("[FTL] Could not write pidfile: open /nowhere/pid: no such file or directory\n"), "{text}");
    assert!(!text.contains("Server is ready"), "{text}");
}

#[test]
fn a_ports_file_that_cannot_be_written_is_an_error_and_no_more() {
    let mut server = Process::start("-a 127.0.0.1 -p -1 --ports_file_dir /nowhere");
    server.line_with("[ERR] Error writing ports file (/nowhere/forebay_");
}

#[test]
fn the_log_goes_to_a_file_and_follows_it_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut child = Command::new(BINARY)
        .args(["-a", "127.0.0.1", "-p", "-1", "-l", &log.display().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let wait_for = |text: &str| {
        for _ in 0..400 {
            if fs::read_to_string(&log).unwrap_or_default().contains(text) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{text} in {}", fs::read_to_string(&log).unwrap_or_default());
    };
    wait_for("Server is ready");
    fs::rename(&log, folder.path().join("old")).unwrap();
    let kill = |signal: &str| Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    kill("-USR1");
    wait_for("[INF] File log re-opened");
    kill("-TERM");
    wait_for("Server Exiting..");
    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn a_stuck_reader_of_stderr_does_not_stop_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    // Nobody reads this pipe, and it is full from the start.
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while std::io::Write::write(&mut writer, &[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let mut child = Command::new(BINARY)
        .args(["-a", "127.0.0.1", "-p", "-1", "-P", &pid.display().to_string()])
        .stderr(writer)
        .spawn()
        .unwrap();
    for _ in 0..400 {
        if pid.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(pid.exists());
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(reader);
}
