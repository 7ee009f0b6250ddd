//! Stories through async-nats: what a program does with a server, told against the binary that `FOREBAY_BIN` names.
//!
//! The binary may be nats-server too: a story that does not hold there is not a story about drop-in replacement.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_nats::{Client, ConnectOptions, jetstream};
use forebay_conformance::server::{Dialect, Server, Target};
use forebay_conformance::setup::Setup;
use futures::StreamExt;
use tempfile::TempDir;

/// An answer that does not come within this will not come.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How often something is looked at that has to come.
pub const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A server of its own for each story, in a folder of its own.
pub struct World {
    server: Option<Server>,
    setup: Setup,
    folder: TempDir,
}

impl World {
    /// A server with core NATS.
    pub fn core() -> Result<Self> {
        Self::start(Setup::CORE)
    }

    /// A server with JetStream on an empty folder.
    pub fn jetstream() -> Result<Self> {
        Self::start(Setup::JETSTREAM)
    }

    /// A server started with further flags.
    pub fn start(setup: Setup) -> Result<Self> {
        let folder = TempDir::new()?;
        let server = Server::start(&target()?, setup, folder.path())?;
        Ok(Self { server: Some(server), setup, folder })
    }

    /// A server with JetStream and monitoring, and these plugins and bindings.
    pub fn with_plugins(toml: &str) -> Result<Self> {
        Self::start(configured(toml))
    }

    /// Kills the server and starts it again on the same folder.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.kill()?;
        self.server = Some(Server::start(&target()?, self.setup, self.folder.path())?);
        Ok(())
    }

    /// Kills the server and starts it again on the same folder with other plugins and bindings.
    pub fn restart_with_plugins(&mut self, toml: &str) -> Result<()> {
        self.kill()?;
        self.setup = configured(toml);
        self.server = Some(Server::start(&target()?, self.setup, self.folder.path())?);
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.stop(true),
            None => Ok(()),
        }
    }

    /// Puts other plugins and bindings into the running server's file, and returns when its log says this about it.
    pub async fn reconfigure(&self, toml: &str, told: &str) -> Result<()> {
        let before = self.told(told)?;
        // As editors do: beside it, and then in its place.
        let (aside, file) = (self.folder.path().join("aside"), self.folder.path().join("server.toml"));
        std::fs::write(&aside, configured(toml).toml)?;
        std::fs::rename(aside, file)?;
        for _ in 0..PATIENCE.as_millis() / LOOK_AGAIN.as_millis() {
            if self.told(told)? > before {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bail!("the log does not say {told:?}: {:#?}", self.log()?)
    }

    /// How many lines of the log say this.
    pub fn told(&self, text: &str) -> Result<usize> {
        Ok(self.log()?.iter().filter(|line| line.contains(text)).count())
    }

    /// The last lines of the server's log.
    pub fn log(&self) -> Result<Vec<String>> {
        Ok(self.server.as_ref().context("the server is down")?.log())
    }

    /// The value of a row of `/metrics`; 0 if there is none.
    pub fn metric(&self, row: &str) -> Result<f64> {
        let log = self.log()?;
        let address = log.iter().find_map(|line| line.split_once("Starting http monitor on "));
        let mut stream = TcpStream::connect(address.context("no monitoring")?.1.trim())?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        let found = page.lines().find_map(|line| line.strip_prefix(row));
        found.map_or(Ok(0.0), |value| Ok(value.trim().parse()?))
    }

    /// Where clients connect.
    pub fn url(&self) -> Result<String> {
        let server = self.server.as_ref().context("the server is down")?;
        Ok(format!("nats://{}", server.address))
    }

    /// A client.
    pub async fn client(&self) -> Result<Client> {
        Ok(ConnectOptions::new().connect(self.url()?).await?)
    }

    /// A client's JetStream.
    pub async fn context(&self) -> Result<jetstream::Context> {
        Ok(jetstream::new(self.client().await?))
    }
}

/// A configuration with these plugins and bindings. A setup lives as long as the program, and a story makes few.
fn configured(toml: &str) -> Setup {
    let head = "[http]\nlisten = \"127.0.0.1:-1\"\n[jetstream]\nstore_dir = \"store\"\n";
    Setup::configured("", String::leak(format!("{head}{toml}")))
}

fn target() -> Result<Target> {
    let program = std::env::var_os("FOREBAY_BIN").map(PathBuf::from);
    let program = program.context("FOREBAY_BIN names no program: run `cargo xtask test --only rust`")?;
    Ok(Target { label: "the server".into(), program, dialect: Dialect::Toml })
}

/// Returns when the server knows what the client has subscribed to: `flush` of async-nats only hands bytes to the
/// system, so a second connection could publish before the server has read them.
pub async fn settled(client: &Client) -> Result<()> {
    let subject = client.new_inbox();
    let mut echo = client.subscribe(subject.clone()).await?;
    client.publish(subject, "".into()).await?;
    client.flush().await?;
    tokio::time::timeout(PATIENCE, echo.next()).await?.context("closed")?;
    Ok(())
}
