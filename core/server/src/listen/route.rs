//! Accepts the cluster's other servers, on the links' runtime.

use crate::dial::Network;
use crate::limits::ROUTE_ACCEPT_PAUSE;
use forebay_links::Links;
use std::net::TcpListener;

/// Accepts until the runtime ends. While too many handshakes are under way, others wait.
pub(crate) async fn accept(listener: TcpListener, links: Links<Network>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(error = %error, "Other servers cannot be accepted");
            return;
        }
    };
    loop {
        links.room().await;
        match listener.accept().await {
            Ok((stream, peer)) => links.accept(stream, peer.to_string()),
            Err(error) => {
                tracing::error!(error = %error, "A server cannot be accepted");
                tokio::time::sleep(ROUTE_ACCEPT_PAUSE).await;
            }
        }
    }
}
