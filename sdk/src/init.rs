//! What `#[init]` gives back.

use std::fmt::Display;

/// What an `#[init]` function may return: nothing, or a `Result` whose error refuses the config.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something an #[init] can return",
    note = "return nothing, or Result<(), E> where E: Display"
)]
pub trait IntoInit {
    /// The refusal, if it is one.
    fn into_init(self) -> Result<(), String>;
}

impl IntoInit for () {
    fn into_init(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> IntoInit for Result<(), E> {
    fn into_init(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}
