//! Guests: small ones written in WebAssembly text by the tests themselves, larger ones from the testbed and the bundled
//! plugins, compiled once.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::fixture::repository;

/// A module with a mailbox at 1024, sections for both kinds, and these functions; a body sees its argument as `$n` and
/// the imports as `$log`, `$count`, `$fail` and `$undecided`. The memory has 4 pages.
pub(crate) struct Text {
    pub(crate) filter: String,
    pub(crate) transform: String,
    pub(crate) buf: String,
    pub(crate) configure: Option<String>,
    /// Anything else: functions, data, globals.
    pub(crate) more: String,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            filter: "i64.const -1".into(),
            transform: "i64.const 0".into(),
            buf: "i32.const 1024".into(),
            configure: None,
            more: String::new(),
        }
    }
}

impl Text {
    pub(crate) fn wasm(&self) -> Vec<u8> {
        let line = |kind: &str| {
            let line = format!(r#"{{"abi":"forebay/1","kind":"{kind}","fn":"f","needs":15,"name":"text"}}"#);
            format!("(@custom \"forebay.plugin\" \"{}\\n\")", line.replace('"', "\\\""))
        };
        let configure = self.configure.as_ref().map_or(String::new(), |body| {
            format!("(func (export \"forebay_configure\") (param $n i32) (result i32) {body}) {}", line("init"))
        });
        let text = format!(
            r#"(module
            (import "forebay" "log" (func $log (param i32 i32 i32)))
            (import "forebay" "count" (func $count (param i32 i32 i64)))
            (import "forebay" "fail" (func $fail (param i32 i32)))
            (import "forebay" "undecided" (func $undecided (param i32 i32 i32)))
            (memory (export "memory") 4)
            (func (export "forebay_buf") (param $n i32) (result i32) {buf})
            (func (export "forebay_filter") (param $n i32) (result i64) {filter})
            (func (export "forebay_transform") (param $n i32) (result i64) {transform})
            {configure} {more} {sections})"#,
            buf = self.buf,
            filter = self.filter,
            transform = self.transform,
            more = self.more,
            sections = [line("filter"), line("transform")].concat(),
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// Both kinds with the same body; it leaves an `i64`.
pub(crate) fn both(body: &str) -> Vec<u8> {
    Text { filter: body.into(), transform: body.into(), ..Text::default() }.wasm()
}

pub(crate) fn transforming(body: &str) -> Vec<u8> {
    Text { transform: body.into(), ..Text::default() }.wasm()
}

pub(crate) fn filtering(body: &str) -> Vec<u8> {
    Text { filter: body.into(), ..Text::default() }.wasm()
}

/// A guest that keeps its config and answers each message with it as the payload. Each `edition` is another file.
pub(crate) fn config_as_payload(edition: u64) -> Vec<u8> {
    let configure = "(memory.copy (i32.const 200000) (i32.const 1024) (local.get $n))
        (i32.store (i32.const 199992) (i32.const 1)) ;; one message
        (i32.store (i32.const 199996) (i32.const -1)) ;; subject unchanged
        (global.set $len (local.get $n)) (i32.const 0)";
    let transform = "(memory.copy (i32.const 150000) (i32.const 199992) (i32.const 8))
        (i32.store (i32.const 150008) (global.get $len))
        (memory.copy (i32.const 150012) (i32.const 200000) (global.get $len))
        (i32.store (i32.add (i32.const 150012) (global.get $len)) (i32.const 0)) ;; no header edits
        (i64.or (i64.shl (i64.const 150000) (i64.const 32)) (i64.extend_i32_u (i32.add (i32.const 16) (global.get $len))))";
    Text {
        transform: transform.into(),
        configure: Some(configure.into()),
        more: format!("(global $len (mut i32) (i32.const 0)) (func (result i64) i64.const {edition})"),
        ..Text::default()
    }
    .wasm()
}

/// A compiled guest of the workspace `plugins/bundled`: `redact`, `json_filter` or `testbed`.
pub(crate) fn compiled(name: &str) -> Vec<u8> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let path = FOLDER.get_or_init(compile).join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Builds that workspace for wasm, in a target folder of its own: it has other profiles, and the outer cargo may hold
/// the lock of its own.
fn compile() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let build = Command::new(env!("CARGO"))
        .current_dir(repository().join("plugins/bundled"))
        .args(["build", "--release", "--locked", "--target", "wasm32-unknown-unknown", "--target-dir"])
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs");
    assert!(
        build.status.success(),
        "the guests do not compile; if the target is missing: rustup target add wasm32-unknown-unknown\n{}",
        String::from_utf8_lossy(&build.stderr)
    );
    target.join("wasm32-unknown-unknown/release")
}
