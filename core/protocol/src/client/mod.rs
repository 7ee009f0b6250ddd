//! The client protocol: decoding what a client sends, encoding what it gets.

pub mod decode;
pub mod encode;
