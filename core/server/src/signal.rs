//! What the process does when the operating system knocks: nats-server's signals and log lines.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Server;
use crate::log::LogHandle;

/// The signals that a server minds, installed.
pub(crate) struct Signals {
    runtime: tokio::runtime::Runtime,
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    reopen: Signal,
    lame_duck: Signal,
}

impl Signals {
    /// Installs them, so that none of them kills the process before it is ready to stop well.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn install() -> io::Result<Signals> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let guard = runtime.enter();
        let signals = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ]
        .map(signal);
        drop(guard);
        let [interrupt, terminate, hangup, reopen, lame_duck] = signals;
        Ok(Signals {
            interrupt: interrupt?,
            terminate: terminate?,
            hangup: hangup?,
            reopen: reopen?,
            lame_duck: lame_duck?,
            runtime,
        })
    }

    /// Serves signals until one says stop, or until the server has stopped by itself.
    pub(crate) fn wait(self, server: &Server, log: Option<&LogHandle>) {
        let Signals { runtime, mut interrupt, mut terminate, mut hangup, mut reopen, mut lame_duck } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    biased;
                    () = server.stopped() => return,
                    _ = interrupt.recv() => {
                        tracing::info!("Trapped \"interrupt\" signal");
                        return;
                    }
                    _ = terminate.recv() => {
                        tracing::info!("Trapped \"terminated\" signal");
                        return;
                    }
                    _ = hangup.recv() => {
                        tracing::info!("Trapped \"hangup\" signal");
                        tracing::error!("Failed to reload server configuration: reload is not built yet");
                    }
                    _ = reopen.recv() => {
                        tracing::info!("Trapped \"user defined signal 1\" signal");
                        if let Some(log) = log {
                            log.reopen();
                        }
                    }
                    _ = lame_duck.recv() => {
                        tracing::info!("Trapped \"user defined signal 2\" signal");
                        tracing::error!("Failed to enter lame duck mode: it is not built yet");
                    }
                }
            }
        });
    }
}
