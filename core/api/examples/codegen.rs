//! Writes what is generated from the error table: `cargo run -p forebay-api --example codegen`.

#[path = "../codegen/errors.rs"]
#[allow(dead_code, reason = "the crate's test reads more of a row than the example")]
mod errors;

fn main() -> std::io::Result<()> {
    for file in errors::generated() {
        if let Some(folder) = file.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&file.path, file.text)?;
        println!("wrote {}", file.path.display());
    }
    Ok(())
}
