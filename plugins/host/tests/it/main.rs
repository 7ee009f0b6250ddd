//! The host as the server uses it: real files, real engines, guests that lie.

mod answers;
mod bundled;
mod fixture;
mod guest;
mod hostile;
mod rebind;
mod reload;
mod swap;
