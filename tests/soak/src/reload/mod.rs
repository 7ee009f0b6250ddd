//! Show 6: the plugin's file and its config change twenty times while events are replayed at full speed.

mod events;
mod files;
mod steps;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use crate::Place;
use crate::reload::events::{Events, Stored};
use crate::reload::files::Files;
use crate::reload::steps::Steps;
use crate::report::Report;
use crate::server::Server;

/// The edits end so long before the replay, so that the last version is used, too.
const TAIL: Duration = Duration::from_secs(6);

/// Runs it.
pub(crate) fn run(runtime: &Runtime, place: &Place, replay: &Path, seconds: u64) -> Result<Report> {
    let folder = place.empty()?;
    let data = place.root.join("examples/data/strikes.jsonl");
    let events = Events::read(&data)?;
    let files = Files::new(&place.root, folder.path())?;
    let server = Server::start(&place.server, &files.config.clone())?;
    println!("replaying for {seconds} s at full speed, {} edits meanwhile", steps::GOOD_EDITS);
    let child = start_replay(replay, &server.url(), &data, seconds)?;
    let mut steps = Steps::new(&server, files);
    steps.run(Duration::from_secs(seconds).saturating_sub(TAIL))?;
    let replayed = Replayed::of(child)?;
    println!("{}", replayed.text.trim());
    let mut report = Report::default();
    let Replayed { acked, refused, is_success, .. } = replayed;
    report.row(
        "each event acked, none refused",
        format!("{acked} acked, {refused} refused"),
        is_success && refused == 0 && acked > 0,
    );
    steps.tell(&mut report)?;
    println!("reading the stream back");
    let versions = &steps.versions;
    let stored = runtime.block_on(Stored::read(&server.url(), &events, versions))?;
    let (lost, doubled) = stored.lost_and_doubled((acked + refused) as usize);
    report.row("acked events that are not in the stream", lost, lost == 0);
    report.row("events in the stream more than once", doubled, doubled == 0 && stored.messages == acked);
    report.row("untransformed messages", stored.untransformed, stored.untransformed == 0);
    report.row("messages that are not as the version in their stamp makes them", stored.mixed, stored.mixed == 0);
    report.row(
        "versions that judged messages",
        format!("{} of {}", stored.by_version.len(), versions.len()),
        stored.by_version.len() == versions.len(),
    );
    let (now, most) = server.memory_mib()?;
    println!("memory: {now} MiB, {most} MiB at most");
    report.row("healthy at the end", server.is_healthy(), server.is_healthy());
    let code = server.stop()?;
    report.row("exit code after SIGTERM", format!("{code:?}"), code == Some(0));
    Ok(report)
}

fn start_replay(program: &Path, url: &str, data: &Path, seconds: u64) -> Result<Child> {
    let limit = format!("{seconds}s");
    Command::new(program)
        .args(["--loop", "--for", &limit, "--url", url, "--file"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}

/// What `examples/replay` says of itself.
struct Replayed {
    text: String,
    is_success: bool,
    acked: u64,
    refused: u64,
}

impl Replayed {
    fn of(child: Child) -> Result<Self> {
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words: Vec<&str> = text.split([' ', ',', '\n']).collect();
        let before = |word: &str| words.windows(2).find_map(|pair| (pair[1] == word).then(|| pair[0].parse().ok())?);
        let of = |word: &str| before(word).with_context(|| format!("no number before {word:?} in {text:?}"));
        let (acked, refused): (u64, u64) = (of("acked")?, of("refused")?);
        Ok(Self { is_success: output.status.success(), acked, refused, text })
    }
}
