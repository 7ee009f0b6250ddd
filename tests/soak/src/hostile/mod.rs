//! Show 7: a plugin that loops, allocates without end or panics, as a transform and as a filter, under each policy.

mod filters;
mod rates;
mod transforms;
mod turns;
mod world;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::Place;
use crate::hostile::world::World;
use crate::report::Report;

/// What instances that were thrown away may have left behind.
const MEMORY_GROWTH_MIB_MAX: u64 = 64;

/// Runs it.
pub(crate) fn run(runtime: &Runtime, place: &Place, plugin: &Path, seconds: u64) -> Result<Report> {
    let folder = place.empty()?;
    let mut report = Report::default();
    let world = runtime.block_on(World::start(&place.server, plugin, folder.path()))?;
    let (before, _) = world.server.memory_mib()?;
    println!("transforms that fail");
    runtime.block_on(transforms::run(&world, &mut report))?;
    println!("filters that fail");
    runtime.block_on(filters::run(&world, &mut report))?;
    println!("CPU time of calls that fail, and what others wait");
    runtime.block_on(turns::cpu(&world, &mut report))?;
    turns::waits(&world, &mut report)?;
    runtime.block_on(afterwards(world, before, &mut report))?;
    let window = Duration::from_secs(seconds);
    runtime.block_on(rates::run(&place.server, plugin, folder.path(), window, &mut report))?;
    Ok(report)
}

/// The server goes on as if nothing had been.
async fn afterwards(world: World, before: u64, report: &mut Report) -> Result<()> {
    let answer = world.ask_json("t.reject.loop.x.ok", "{}").await?;
    report.row("a message that the plugin takes is stored", &answer, answer.get("error").is_none());
    report.row("healthy", world.server.is_healthy(), world.server.is_healthy());
    let (now, most) = world.server.memory_mib()?;
    report.row(
        format!("memory grew by at most {MEMORY_GROWTH_MIB_MAX} MiB"),
        format!("{before} MiB, then {now}, {most} at most"),
        most <= before + MEMORY_GROWTH_MIB_MAX,
    );
    let code = world.server.stop()?;
    report.row("exit code after SIGTERM", format!("{code:?}"), code == Some(0));
    Ok(())
}
