//! The only thread of this crate.

pub mod raft_thread;

use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;

/// What openraft runs on: tokio, with random numbers from the seed that the caller gave. Whatever asks openraft for
/// something runs in a scope of it, which `raft/groups.rs` sees to.
pub(crate) type Rt = DeterministicRng<TokioRuntime>;

/// What tests need of tokio; they name it nowhere else.
#[cfg(any(test, feature = "test-util"))]
pub(crate) mod for_tests {
    use std::future::Future;
    use std::time::Duration;

    pub(crate) async fn pause(time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub(crate) async fn within<T>(time: Duration, act: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(time, act).await.ok()
    }

    /// A runtime for a test's own waiting.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }
}
