//! The quick start's files in a folder of their own, and the ways in which people and machines change them.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// How a file gets its new content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Written beside it and renamed over it: `cargo xtask plugins`, most editors.
    Rename,
    /// Written into the file itself, through the link if it is one: `cp`, some editors.
    InPlace,
    /// In a new folder that a link is pointed to: Kubernetes' `..data`.
    Link,
}

/// What the operator has on disk.
pub(super) struct Files {
    /// The configuration.
    pub(super) config: PathBuf,
    plugins: PathBuf,
    /// The bundled plugin as it was built.
    code: Vec<u8>,
    /// The configuration as it is shipped, with free ports.
    text: String,
    /// Which build of the plugin is in use: each has another custom section.
    build: u8,
    /// Whether the config hashes the field `airport`, too.
    pub(super) airport: bool,
    folders: u32,
}

impl Files {
    /// Lays them out; the plugin's file is a link into a folder that is a link, as Kubernetes has it.
    pub(super) fn new(root: &Path, folder: &Path) -> Result<Self> {
        let shipped = root.join("config");
        let plugins = folder.join("config/plugins");
        std::fs::create_dir_all(&plugins)?;
        std::fs::copy(shipped.join("plugins/json-filter.wasm"), plugins.join("json-filter.wasm"))
            .context("the bundled plugins are not built: `cargo xtask plugins`")?;
        let code = std::fs::read(shipped.join("plugins/redact.wasm"))?;
        let text = std::fs::read_to_string(shipped.join("quickstart.toml"))?;
        let text = text.replace("127.0.0.1:4222", "127.0.0.1:-1").replace("127.0.0.1:8222", "127.0.0.1:-1");
        let config = folder.join("config/quickstart.toml");
        let mut files = Self { config, plugins, code, text, build: 0, airport: false, folders: 0 };
        files.put_code(How::Link, &files.code())?;
        files.put_config(How::Rename, &files.config_text())?;
        Ok(files)
    }

    /// The plugin's file.
    pub(super) fn plugin(&self) -> PathBuf {
        self.plugins.join("redact.wasm")
    }

    /// The build of the plugin that is in use.
    pub(super) fn code(&self) -> Vec<u8> {
        // A custom section that nobody reads makes it another file.
        let section = [&[0, 3, 1, b'v', self.build][..]].concat();
        [&self.code[..], &section].concat()
    }

    /// The first 8 digits of its hash.
    pub(super) fn sha8(&self) -> String {
        Sha256::digest(self.code()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The next build.
    pub(super) fn next_build(&mut self) -> Vec<u8> {
        self.build += 1;
        self.code()
    }

    /// The configuration that is in use.
    pub(super) fn config_text(&self) -> String {
        let fields = if self.airport { "[\"operator\", \"airport\"]" } else { "[\"operator\"]" };
        self.text.replace("[\"operator\"]", fields)
    }

    /// Puts these bytes where the configuration names the plugin.
    pub(super) fn put_code(&mut self, how: How, bytes: &[u8]) -> Result<()> {
        let plugin = self.plugin();
        match how {
            How::InPlace => std::fs::write(&plugin, bytes)?,
            How::Rename => replace(&plugin, bytes)?,
            How::Link => {
                self.folders += 1;
                let name = format!("..{}", self.folders);
                let (new, data) = (self.plugins.join(&name), self.plugins.join("..data"));
                std::fs::create_dir(&new)?;
                std::fs::write(new.join("redact.wasm"), bytes)?;
                point(&data, Path::new(&name))?;
                if !plugin.is_symlink() {
                    point(&plugin, Path::new("..data/redact.wasm"))?;
                }
            }
        }
        Ok(())
    }

    /// Puts this text into the configuration.
    pub(super) fn put_config(&self, how: How, text: &str) -> Result<()> {
        match how {
            How::InPlace => Ok(std::fs::write(&self.config, text)?),
            How::Rename | How::Link => replace(&self.config, text.as_bytes()),
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = beside(path)?;
    std::fs::write(&fresh, bytes)?;
    std::fs::rename(&fresh, path)?;
    Ok(())
}

/// Makes a link, or points it elsewhere at once.
fn point(link: &Path, to: &Path) -> Result<()> {
    let fresh = beside(link)?;
    symlink(to, &fresh)?;
    std::fs::rename(&fresh, link)?;
    Ok(())
}

/// A name in the same folder.
fn beside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().context("a path without a name")?.to_string_lossy();
    Ok(path.with_file_name(format!("{name}.new")))
}
