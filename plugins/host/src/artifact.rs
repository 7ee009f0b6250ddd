//! A `.wasm` file on its way to code that can run: read, hashed, looked at, and only then compiled.

use std::fmt::Write as _;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use wasmparser::{Encoding, ExternalKind, Parser, Payload};
use wasmtime::{ExternType, InstancePre, Linker, Module, Val};

use crate::abi::IMPORT_MODULE;
use crate::abi::section::{SECTION_NAME, Section, SectionError};
use crate::capability;
use crate::engine::Runtime;
use crate::instance::GuestState;
use crate::limits::{FUNCTIONS_MAX, IMPORTS_MAX, MODULE_BYTES_MAX, SECTION_BYTES_MAX};
use crate::manifest::Wasi;

/// How a WebAssembly file begins. The parser would tell it in many lines.
const MAGIC: &[u8] = b"\0asm";
/// The module that programs for WASI preview 1 import from.
const WASI_MODULE: &str = "wasi_snapshot_preview1";
/// WASI's `ENOSYS`: what each stub answers.
const WASI_NOT_SUPPORTED: i32 = 52;

/// Why a file cannot become a plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is larger than [`MODULE_BYTES_MAX`].
    #[error("{0} is larger than {max} MiB", max = MODULE_BYTES_MAX >> 20)]
    TooLarge(String),
    /// Its hash is not the pinned one.
    #[error("its sha256 is {found}, and the config pins {pinned}")]
    Hash {
        /// The file's.
        found: String,
        /// The config's.
        pinned: String,
    },
    /// It is no WebAssembly, or a broken one.
    #[error("it is not a WebAssembly module: {0}")]
    NotWasm(String),
    /// It is a component.
    #[error("it is a component; forebay/1 takes core modules (target wasm32-unknown-unknown)")]
    Component,
    /// Its section `forebay.plugin` is missing or says something that cannot run.
    #[error(transparent)]
    Section(#[from] SectionError),
    /// It lacks an export that its section promises.
    #[error("it does not export the {kind} \"{name}\"")]
    Export {
        /// `memory` or `function`.
        kind: &'static str,
        /// The export's name.
        name: &'static str,
    },
    /// It imports WASI.
    #[error(
        "it imports \"{WASI_MODULE}::{0}\": forebay/1 has no WASI; build it for wasm32-unknown-unknown, or say wasi = \"deny-all\" to link functions that fail"
    )]
    Wasi(String),
    /// It imports something that does not exist.
    #[error(
        "unknown import \"{module}::{name}\": a plugin may import log, count, fail and undecided of \"{IMPORT_MODULE}\""
    )]
    Import {
        /// The module it names.
        module: String,
        /// The name in it.
        name: String,
    },
    /// It passes a limit.
    #[error("it has {count} {what}, and at most {max} are allowed")]
    Limit {
        /// How many.
        count: u64,
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// The compiler refuses it.
    #[error("it does not compile: {0}")]
    Compile(String),
}

/// What a file says about itself, before anything is compiled or run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The file's hash, 64 hexadecimal digits.
    pub sha256: String,
    /// Its section `forebay.plugin`.
    pub section: Section,
    /// What it imports: module and name.
    pub imports: Vec<(String, String)>,
}

/// Reads a file, at most [`MODULE_BYTES_MAX`] of it.
pub fn read(path: &Path) -> Result<Vec<u8>, ArtifactError> {
    let failed = |source| ArtifactError::Read { path: path.display().to_string(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(ArtifactError::TooLarge(path.display().to_string()));
    }
    Ok(bytes)
}

/// The sha256 of a file's bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Looks at a module without compiling it: sections, exports, imports, sizes.
pub fn inspect(bytes: &[u8], wasi: Wasi) -> Result<Inspection, ArtifactError> {
    let broken = |error: wasmparser::BinaryReaderError| ArtifactError::NotWasm(error.to_string());
    if !bytes.starts_with(MAGIC) {
        return Err(ArtifactError::NotWasm("it does not begin as one".to_owned()));
    }
    let mut section = Vec::new();
    let mut imports = Vec::new();
    let mut exports: Vec<(String, ExternalKind)> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(broken)? {
            Payload::Version { encoding: Encoding::Component, .. } => return Err(ArtifactError::Component),
            Payload::CustomSection(custom) if custom.name() == SECTION_NAME => {
                if section.len() + custom.data().len() > SECTION_BYTES_MAX {
                    return Err(SectionError::TooLarge.into());
                }
                section.extend_from_slice(custom.data());
            }
            Payload::FunctionSection(functions) => limit(functions.count(), "functions", FUNCTIONS_MAX)?,
            Payload::MemorySection(memories) => limit(memories.count(), "memories", 1)?,
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    let import = import.map_err(broken)?;
                    imports.push((import.module.to_string(), import.name.to_string()));
                    limit(imports.len() as u32, "imports", IMPORTS_MAX)?;
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export.map_err(broken)?;
                    exports.push((export.name.to_string(), export.kind));
                }
            }
            _ => {}
        }
    }
    // The section comes first: a file that is no plugin at all should be told so, not what it imports.
    let section = Section::decode(&section)?;
    check_imports(&imports, wasi)?;
    check_exports(&exports, &section)?;
    Ok(Inspection { sha256: sha256(bytes), section, imports })
}

fn limit(count: u32, what: &'static str, max: usize) -> Result<(), ArtifactError> {
    if count as usize > max { Err(ArtifactError::Limit { count: count.into(), what, max }) } else { Ok(()) }
}

fn check_imports(imports: &[(String, String)], wasi: Wasi) -> Result<(), ArtifactError> {
    for (module, name) in imports {
        match module.as_str() {
            IMPORT_MODULE if capability::IMPORTS.contains(&name.as_str()) => {}
            WASI_MODULE if wasi == Wasi::DenyAll => {}
            WASI_MODULE => return Err(ArtifactError::Wasi(name.clone())),
            _ => return Err(ArtifactError::Import { module: module.clone(), name: name.clone() }),
        }
    }
    Ok(())
}

fn check_exports(exports: &[(String, ExternalKind)], section: &Section) -> Result<(), ArtifactError> {
    let has = |name: &str, kind| exports.iter().any(|(have, of)| have == name && *of == kind);
    if !has("memory", ExternalKind::Memory) {
        return Err(ArtifactError::Export { kind: "memory", name: "memory" });
    }
    let functions = [
        ("forebay_buf", true),
        ("forebay_filter", section.filter.is_some()),
        ("forebay_transform", section.transform.is_some()),
        ("forebay_configure", section.init),
    ];
    for (name, wanted) in functions {
        if wanted && !has(name, ExternalKind::Func) {
            return Err(ArtifactError::Export { kind: "function", name });
        }
    }
    Ok(())
}

/// Compiled code, ready to be instantiated.
pub(crate) struct Artifact {
    pub(crate) sha256: String,
    pub(crate) section: Section,
    pub(crate) wasi: Wasi,
    pub(crate) pre: InstancePre<GuestState>,
}

impl Artifact {
    /// Compiles what was inspected. Slow: from 60 ms for a small module to seconds. A panic of the compiler's (they
    /// have happened on valid files) is an error like any other.
    pub(crate) fn compile(
        runtime: &Runtime,
        bytes: &[u8],
        inspection: Inspection,
        wasi: Wasi,
    ) -> Result<Self, ArtifactError> {
        let compile = |bytes: &[u8]| {
            let module = Module::new(&runtime.engine, bytes)?;
            let mut linker = Linker::new(&runtime.engine);
            capability::link(&mut linker)?;
            deny_wasi(&mut linker, &module)?;
            linker.instantiate_pre(&module)
        };
        match catch_unwind(AssertUnwindSafe(|| compile(bytes))) {
            Ok(Ok(pre)) => Ok(Self { sha256: inspection.sha256, section: inspection.section, wasi, pre }),
            Ok(Err(error)) => Err(ArtifactError::Compile(format!("{error:#}"))),
            Err(_) => Err(ArtifactError::Compile("the compiler panicked (this is its bug, please report it)".into())),
        }
    }
}

/// Links a function that fails for each WASI import. Whether a module may have any was checked before.
fn deny_wasi(linker: &mut Linker<GuestState>, module: &Module) -> wasmtime::Result<()> {
    for import in module.imports() {
        if import.module() != WASI_MODULE {
            continue;
        }
        if let ExternType::Func(of) = import.ty() {
            let name = import.name().to_string();
            linker.func_new(WASI_MODULE, import.name(), of.clone(), move |_, _, results| {
                if name == "proc_exit" {
                    return Err(wasmtime::Error::msg("the plugin called proc_exit"));
                }
                for result in results {
                    // Each WASI function that answers, answers an error number.
                    *result = match result {
                        Val::I64(_) => Val::I64(WASI_NOT_SUPPORTED.into()),
                        _ => Val::I32(WASI_NOT_SUPPORTED),
                    };
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str =
        r#"(@custom "forebay.plugin" "{\"abi\":\"forebay/1\",\"kind\":\"filter\",\"fn\":\"f\",\"needs\":1}\n")"#;
    const EXPORTS: &str = r#"(memory (export "memory") 1) (func (export "forebay_buf") (param i32) (result i32) i32.const 8)
        (func (export "forebay_filter") (param i32) (result i64) i64.const 1)"#;

    fn look(text: &str, wasi: Wasi) -> Result<Inspection, String> {
        inspect(&wat::parse_str(format!("(module {text})")).unwrap(), wasi).map_err(|error| error.to_string())
    }

    #[test]
    fn a_module_is_known_by_its_section() {
        let inspection = look(&format!("{EXPORTS} {SECTION}"), Wasi::Refuse).unwrap();
        assert_eq!(inspection.section.kinds(), ["filter"]);
        assert_eq!(inspection.sha256.len(), 64);
        assert!(look(EXPORTS, Wasi::Refuse).unwrap_err().contains("not a forebay plugin"));
    }

    #[test]
    fn an_import_that_does_not_exist_is_refused_by_name() {
        let text = look(&format!(r#"(import "env" "clock" (func)) {EXPORTS} {SECTION}"#), Wasi::Refuse).unwrap_err();
        assert!(text.contains("unknown import \"env::clock\""), "{text}");
        let wasi = format!(r#"(import "wasi_snapshot_preview1" "fd_write" (func)) {EXPORTS} {SECTION}"#);
        let text = look(&wasi, Wasi::Refuse).unwrap_err();
        assert!(text.contains("fd_write") && text.contains("deny-all"), "{text}");
        assert!(look(&wasi, Wasi::DenyAll).is_ok());
    }

    #[test]
    fn a_missing_export_is_told() {
        let text = look(&format!(r#"(memory (export "memory") 1) {SECTION}"#), Wasi::Refuse).unwrap_err();
        assert_eq!(text, "it does not export the function \"forebay_buf\"");
    }

    #[test]
    fn other_files_are_refused_in_words() {
        assert!(inspect(b"hello", Wasi::Refuse).unwrap_err().to_string().contains("not a WebAssembly module"));
        let component = b"\0asm\x0d\0\x01\0";
        assert!(matches!(inspect(component, Wasi::Refuse), Err(ArtifactError::Component)));
        let missing = read(Path::new("/does/not/exist.wasm")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read /does/not/exist.wasm"), "{missing}");
    }

    #[test]
    fn the_hash_is_sha256() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            let _ = inspect(&bytes, Wasi::Refuse);
            let _ = inspect(&[b"\0asm\x01\0\0\0", &bytes[..]].concat(), Wasi::Refuse);
        }
    }
}
