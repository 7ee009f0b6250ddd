//! Stories through async-nats: what a program does with a server, told against the binary that `FOREBAY_BIN` names.
//!
//! The binary may be nats-server too: a story that does not hold there is not a story about drop-in replacement.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::{Client, ConnectOptions, jetstream};
use forebay_conformance::server::{Dialect, Server, Target};
use forebay_conformance::setup::Setup;
use futures::StreamExt;
use tempfile::TempDir;

/// An answer that does not come within this will not come.
pub const PATIENCE: Duration = Duration::from_secs(5);

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

    /// Kills the server and starts it again on the same folder.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        if let Some(server) = self.server.take() {
            server.stop(true)?;
        }
        self.server = Some(Server::start(&target()?, self.setup, self.folder.path())?);
        Ok(())
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
