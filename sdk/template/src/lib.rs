//! A plugin for Forebay: `cargo test`, then
//! `cargo build --release --target wasm32-unknown-unknown`.

use std::sync::OnceLock;

use forebay_sdk::{Json, filter, init};

/// The table `config` of the server's TOML.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    min_amount: f64,
}

static CONFIG: OnceLock<Config> = OnceLock::new();

/// An error refuses the config, with this text in the server's log.
#[init]
fn configure(config: Config) -> Result<(), String> {
    if config.min_amount < 0.0 {
        return Err("min_amount must not be negative".into());
    }
    CONFIG.set(config).map_err(|_| "configured twice".into())
}

#[derive(serde::Deserialize)]
struct Order<'a> {
    status: &'a str,
    amount: f64,
}

/// Which messages the consumer gets. Only what it takes is copied out of a message: here subject and payload.
#[filter]
fn big_paid(subject: &str, order: Json<Order<'_>>) -> bool {
    let least = CONFIG.get().map_or(0.0, |config| config.min_amount);
    subject.starts_with("orders.") && order.0.status == "paid" && order.0.amount >= least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paid_orders_are_kept() {
        assert!(big_paid("orders.7", Json(Order { status: "paid", amount: 1.0 })));
        assert!(!big_paid("orders.7", Json(Order { status: "open", amount: 1.0 })));
    }
}
