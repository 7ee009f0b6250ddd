//! What the process does when the operating system knocks: nats-server's signals and log lines.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::Server;
use crate::error::StartError;
use crate::limits::START_STOP_WAIT;
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
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

    /// Serves signals until one says stop, or until the server has stopped by itself. Returns the server to stop, if a
    /// stop was not asked for before there was one.
    ///
    /// # Errors
    /// There will be no server.
    pub(crate) fn serve(self, starting: Starting, log: &LogHandle) -> Result<Option<Box<Server>>, StartError> {
        let Signals { runtime, mut interrupt, mut terminate, mut hangup, mut reopen, mut lame_duck } = self;
        runtime.block_on(async {
            let mut start = Start::UnderWay(starting);
            loop {
                tokio::select! {
                    biased;
                    goes_on = start.advance() => if !goes_on { break },
                    _ = interrupt.recv() => {
                        tracing::info!("Trapped \"interrupt\" signal");
                        break;
                    }
                    _ = terminate.recv() => {
                        tracing::info!("Trapped \"terminated\" signal");
                        break;
                    }
                    _ = hangup.recv() => {
                        tracing::info!("Trapped \"hangup\" signal");
                        if let Start::Done(server) = &start {
                            server.reload();
                        }
                    }
                    _ = reopen.recv() => {
                        tracing::info!("Trapped \"user defined signal 1\" signal");
                        log.reopen();
                    }
                    _ = lame_duck.recv() => {
                        tracing::info!("Trapped \"user defined signal 2\" signal");
                        tracing::error!("Failed to enter lame duck mode: it is not built yet");
                    }
                }
            }
            start.settle().await
        })
    }
}

/// What a thread that starts a server will say. Nothing comes if it panicked.
pub(crate) type Starting = oneshot::Receiver<Result<Box<Server>, StartError>>;

/// How far a start has come.
enum Start {
    UnderWay(Starting),
    Done(Box<Server>),
    Failed(StartError),
}

impl Start {
    /// Waits for the next change; false if it is the last one.
    async fn advance(&mut self) -> bool {
        match self {
            Self::UnderWay(starting) => {
                *self = match starting.await {
                    Ok(Ok(server)) => Self::Done(server),
                    Ok(Err(error)) => Self::Failed(error),
                    Err(_) => Self::Failed(StartError::Other("The start ended before it was done".to_owned())),
                };
                matches!(self, Self::Done(_))
            }
            Self::Done(server) => {
                server.stopped().await;
                false
            }
            Self::Failed(_) => false,
        }
    }

    /// What is to be stopped. A start that is not over soon is given up: nobody was served yet, and the store bears it.
    async fn settle(mut self) -> Result<Option<Box<Server>>, StartError> {
        let interrupted = matches!(self, Self::UnderWay(_));
        if interrupted {
            // Whichever comes first is seen in the state.
            let _ = tokio::time::timeout(START_STOP_WAIT, self.advance()).await;
        }
        match self {
            Self::Done(server) => Ok(Some(server)),
            Self::Failed(error) if !interrupted => Err(error),
            Self::UnderWay(_) | Self::Failed(_) => Ok(None),
        }
    }
}
