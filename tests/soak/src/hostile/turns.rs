//! How long a failing call takes, of CPU time, and how long others on its core wait for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use forebay_conformance::clock::Stopwatch;

use super::world::{BREAKER_FAILURES, KINDS, SPARE, TIMEOUT, World};
use crate::report::Report;

/// The plugin host's tick, as it should be.
const TICK: Duration = Duration::from_millis(1);
/// What the rest of a message costs: reading, a new instance, the answer.
const AROUND: Duration = Duration::from_micros(500);
/// The core's thread stops running, and the system adds up its time.
const REST: Duration = Duration::from_millis(3);
/// Spare bindings for the measurement of one kind's CPU time; each is called so often, less than opens its breaker.
const CPU_BINDINGS: usize = 10;
const CPU_CALLS: usize = 4;
/// Connections that publish what loops.
const ATTACKERS: usize = 4;
/// What a message takes to the core: a call that ends meanwhile is over when it is read.
const ON_ITS_WAY: Duration = Duration::from_micros(300);
/// Echoes without an attack.
const QUIET_ECHOES: usize = 2_000;
/// A socket that says nothing for so long is broken.
const READ_WAIT: Duration = Duration::from_secs(30);

/// CPU time of calls, by kind.
pub(super) async fn cpu(world: &World, report: &mut Report) -> Result<()> {
    for (at, kind) in KINDS.iter().enumerate() {
        let (mut took, mut less) = (Vec::new(), Vec::new());
        for number in 0..CPU_BINDINGS * CPU_CALLS {
            let subject = format!("w.{}.x.{}", at * CPU_BINDINGS + number % CPU_BINDINGS, kind.name);
            tokio::time::sleep(REST).await;
            let before = times(world)?;
            let answer = world.ask_json(&subject, "{}").await?;
            tokio::time::sleep(REST).await;
            let after = times(world)?;
            let ran = after.0 - before.0;
            took.push(ran);
            less.push(ran.saturating_sub(after.1 - before.1));
            if !answer.to_string().contains("plugin hostile") {
                bail!("{subject} answers {answer}");
            }
        }
        took.sort_unstable();
        less.sort_unstable();
        let (middle, late) = (percentile(&took, 50), percentile(&took, 95));
        // A tick comes when its thread gets a CPU: on a machine that is busy with other things, that is late.
        report.row(
            format!(
                "{}: CPU time of a call, less what ticks were late (p95): {TIMEOUT:?}, 2 ticks, {AROUND:?}",
                kind.name
            ),
            format!("{:.2?} ({middle:.2?} p50, {late:.2?} p95 with it)", percentile(&less, 95)),
            percentile(&less, 95) <= TIMEOUT + 2 * TICK + AROUND,
        );
    }
    Ok(())
}

/// What the core has used, and what the host's ticker has waited for a CPU.
fn times(world: &World) -> Result<(Duration, Duration)> {
    Ok((world.server.thread_times("core-0")?.ran, world.server.thread_times("plugin-ticker")?.waited))
}

/// What others on the core wait, while connections have calls run into their limit one after the other.
pub(super) fn waits(world: &World, report: &mut Report) -> Result<()> {
    let address = world.server.address;
    let clock = Stopwatch::start();
    let (mut victim, mut quiet) = (Echo::open(address)?, Vec::new());
    for _ in 0..QUIET_ECHOES {
        quiet.push(victim.measure(clock)?.took());
    }
    quiet.sort_unstable();
    let first = KINDS.len() * CPU_BINDINGS;
    let half = (SPARE - first) / 2;
    for (attackers, bindings) in [(1, first..first + half), (ATTACKERS, first + half..SPARE)] {
        let done = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..attackers)
            .map(|_| {
                let (mut attack, done) = (Attack::open(address, &bindings)?, Arc::clone(&done));
                Ok(std::thread::spawn(move || {
                    let ended = attack.run(clock);
                    done.store(true, Ordering::Release);
                    ended
                }))
            })
            .collect::<Result<_>>()?;
        let mut echoes = Vec::new();
        while !done.load(Ordering::Acquire) {
            echoes.push(victim.measure(clock)?);
        }
        let mut ended = Vec::new();
        for thread in threads {
            let Ok(result) = thread.join() else { bail!("an attacker died") };
            ended.extend(result?);
        }
        tell_waits(attackers, bindings.len(), &echoes, &mut ended, report);
    }
    println!("an echo without an attack: {:.2?} p50, {:.2?} p99", percentile(&quiet, 50), percentile(&quiet, 99));
    Ok(())
}

/// How many calls ended while an echo was under way, and how long it was.
fn tell_waits(attackers: usize, bindings: usize, echoes: &[Waited], ended: &mut [Duration], report: &mut Report) {
    ended.sort_unstable();
    for echo in echoes {
        let before = |at: Duration| ended.partition_point(|end| *end <= at);
        let (a, b) = (before(echo.said + ON_ITS_WAY), before(echo.heard));
        if b > a + 1 {
            println!(
                "DBG said {:?} heard +{:?} ended {:?}",
                echo.said,
                echo.took(),
                ended[a.saturating_sub(1)..b]
                    .iter()
                    .map(|e| e.as_secs_f64() * 1e3 - echo.said.as_secs_f64() * 1e3)
                    .collect::<Vec<_>>()
            );
        }
    }
    // Only those that met the attack: others are over in no time.
    let mut calls: Vec<(usize, Duration)> = echoes
        .iter()
        .map(|echo| {
            let before = |at: Duration| ended.partition_point(|end| *end <= at);
            (before(echo.heard).saturating_sub(before(echo.said + ON_ITS_WAY)), echo.took())
        })
        .filter(|(calls, _)| *calls > 0)
        .collect();
    calls.sort_unstable();
    let calls_late = calls.get(calls.len().saturating_sub(1) * 99 / 100).map_or(0, |(calls, _)| *calls);
    let more = calls.iter().filter(|(calls, _)| *calls > 1).count();
    let mut waits: Vec<Duration> = calls.iter().map(|(_, took)| *took).collect();
    waits.sort_unstable();
    report.row(
        format!("{attackers} attacking: another connection's message waits for one call (p99)"),
        format!(
            "{calls_late} ({more} of {} waited for more); {:.2?} p50, {:.2?} p99, {:.2?} most",
            waits.len(),
            percentile(&waits, 50),
            percentile(&waits, 99),
            percentile(&waits, 100)
        ),
        calls_late == 1 && waits.len() >= bindings,
    );
}

/// A connection that publishes what loops, all at once, through each binding until its breaker opens.
struct Attack {
    socket: TcpStream,
    text: String,
}

impl Attack {
    fn open(address: SocketAddr, bindings: &Range<usize>) -> Result<Self> {
        let mut socket = connect(address)?;
        let inbox = format!("refused.{}", socket.local_addr()?.port());
        write!(socket, "SUB {inbox} 1\r\n")?;
        let mut text = String::new();
        for number in bindings.clone() {
            for _ in 0..BREAKER_FAILURES {
                text += &format!("PUB w.{number}.x.loop {inbox} 2\r\n{{}}\r\n");
            }
        }
        text += "PING\r\n";
        Ok(Self { socket, text })
    }

    /// When each call that was made had ended, until everything is handled.
    fn run(&mut self, clock: Stopwatch) -> Result<Vec<Duration>> {
        self.socket.write_all(self.text.as_bytes())?;
        let (mut all, mut ended, mut chunk) = (Vec::new(), Vec::new(), [0; 16 << 10]);
        while !has(&all, b"PONG\r\n") {
            let count = self.socket.read(&mut chunk)?;
            if count == 0 {
                bail!("an attacker was cut off: {:?}", String::from_utf8_lossy(&all));
            }
            all.extend_from_slice(&chunk[..count]);
            // What an open breaker refuses was no call.
            let calls = String::from_utf8_lossy(&all).matches(KINDS[0].texts[0]).count();
            ended.resize_with(calls, || clock.elapsed());
        }
        Ok(ended)
    }
}

/// A connection that hears itself.
struct Echo {
    socket: TcpStream,
}

impl Echo {
    fn open(address: SocketAddr) -> Result<Self> {
        let mut socket = connect(address)?;
        socket.write_all(b"SUB echo.own 1\r\nPING\r\n")?;
        read_until(&mut socket, b"PONG\r\n")?;
        Ok(Self { socket })
    }

    /// Says something and waits for it.
    fn measure(&mut self, clock: Stopwatch) -> Result<Waited> {
        let said = clock.elapsed();
        self.socket.write_all(b"PUB echo.own 1\r\nx\r\n")?;
        read_until(&mut self.socket, b"MSG echo.own 1 1\r\nx\r\n")?;
        Ok(Waited { said, heard: clock.elapsed() })
    }
}

/// When a message was sent, and when it came.
struct Waited {
    said: Duration,
    heard: Duration,
}

impl Waited {
    fn took(&self) -> Duration {
        self.heard - self.said
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(READ_WAIT))?;
    socket.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")?;
    read_until(&mut socket, b"PONG\r\n")?;
    Ok(socket)
}

/// Reads until this was in it; behind it there may be a PING, which needs no answer for minutes.
fn read_until(socket: &mut TcpStream, end: &[u8]) -> Result<()> {
    let (mut all, mut chunk) = (Vec::new(), [0; 16 << 10]);
    while !has(&all, end) {
        match socket.read(&mut chunk)? {
            0 => bail!("closed after {:?}", String::from_utf8_lossy(&all)),
            count => all.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(())
}

fn has(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

/// A percentile of sorted times.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or_default()
}
