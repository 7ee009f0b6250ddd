//! The monitoring endpoints.

use serde_json::Value;

use crate::process::Process;

#[test]
fn varz_has_nats_servers_keys_and_the_servers_facts() {
    let mut server = Process::start("-a 127.0.0.1 -p -1 -m -1 -n east --auth t");
    let (port, monitor) = (server.client_port(), server.monitor_port());
    let (status, head, body) = server.get("/varz");
    assert_eq!(status, 200);
    assert!(head.contains("access-control-allow-origin: *") && head.contains("content-type: application/json"));
    assert!(body.starts_with("{\n  \"server_id\": \"N"), "{body}");
    let varz: Value = serde_json::from_str(&body).unwrap();
    for (key, value) in [
        ("server_name", Value::from("east")),
        ("host", "127.0.0.1".into()),
        ("port", port.into()),
        ("http_host", "127.0.0.1".into()),
        ("http_port", monitor.into()),
        ("auth_required", true.into()),
        ("max_payload", 1_048_576.into()),
        ("max_pending", 67_108_864.into()),
        ("max_control_line", 4096.into()),
        ("max_connections", 65_536.into()),
        ("ping_interval", 120_000_000_000_i64.into()),
        ("ping_max", 2.into()),
        ("auth_timeout", 2.into()),
        ("write_deadline", 10_000_000_000_i64.into()),
        ("jetstream", serde_json::json!({})),
        ("http_req_stats", serde_json::json!({"/varz": 1})),
    ] {
        assert_eq!(varz[key], value, "{key}");
    }
    let version = varz["version"].as_str().unwrap();
    assert!(version.starts_with("2.15.1-forebay."), "{version}");
    assert!(varz["mem"].as_u64().unwrap() > 0 && varz["now"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn healthz_says_ok_and_refuses_questions_that_make_no_sense() {
    let mut server = Process::start("-a 127.0.0.1 -p -1 -m -1");
    let (status, head, body) = server.get("/healthz?js-enabled-only=true&details=false");
    assert_eq!((status, body.as_str()), (200, r#"{"status":"ok"}"#));
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let (status, _, body) = server.get("/healthz?stream=Y");
    assert_eq!(status, 400);
    assert_eq!(body, r#"{"status":"error","error":"\"account\" must not be empty when checking stream health"}"#);
    let (status, head, body) = server.get("/healthz?details=x");
    assert_eq!((status, body.contains("strconv.ParseBool")), (400, true));
    assert!(!head.contains("access-control-allow-origin"), "{head}");
}

#[test]
fn other_paths_are_not_found_or_said_to_be_unbuilt() {
    let mut server = Process::start("-a 127.0.0.1 -p -1 -m -1");
    assert_eq!(server.get("/nope").0, 404);
    assert_eq!(server.get("/nope").2, "404 page not found\n");
    assert_eq!(server.get("/connz?subs=1").2, "404 /connz is not built yet\n");
    let (status, head, body) = server.get("/");
    assert!(status == 200 && head.contains("text/html") && body.contains("./varz"), "{body}");
}

#[test]
fn metrics_can_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    for (enabled, status) in [(true, 200), (false, 404)] {
        std::fs::write(&path, format!("[metrics]\nenabled = {enabled}\n")).unwrap();
        let mut server = Process::start(&format!("-a 127.0.0.1 -p -1 -m -1 -c {}", path.display()));
        let (found, head, body) = server.get("/metrics");
        assert_eq!((found, body.contains("\nforebay_connections 0\n")), (status, enabled), "{body}");
        assert_eq!(head.contains("content-type: text/plain; version=0.0.4"), enabled, "{head}");
        assert_eq!(server.get("/").2.contains("./metrics"), enabled);
    }
}
