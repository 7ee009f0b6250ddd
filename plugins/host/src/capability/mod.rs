//! What a guest may import, one file each: `forebay.log`, `forebay.count`, and here `forebay.fail` and
//! `forebay.undecided`, which carry the texts of answers. Everything else is refused before it is compiled.

mod count;
mod log;

use wasmtime::{Caller, Extern, Linker};

use crate::instance::GuestState;
use crate::limits::FAIL_TEXT_BYTES_MAX;

/// The names that the module `forebay` has.
pub(crate) const IMPORTS: [&str; 4] = ["log", "count", "fail", "undecided"];

/// Links all of them.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    log::link(linker)?;
    count::link(linker)?;
    linker.func_wrap(crate::abi::IMPORT_MODULE, "fail", |mut caller: Caller<'_, GuestState>, at: u32, len: u32| {
        let text = text(&mut caller, at, len, FAIL_TEXT_BYTES_MAX);
        caller.data_mut().answer.fail_text = Some(text);
    })?;
    linker.func_wrap(
        crate::abi::IMPORT_MODULE,
        "undecided",
        |mut caller: Caller<'_, GuestState>, message: u32, at: u32, len: u32| {
            let text = text(&mut caller, at, len, FAIL_TEXT_BYTES_MAX);
            let answer = &mut caller.data_mut().answer;
            answer.undecided |= 1_u64.checked_shl(message).unwrap_or(0);
            answer.fail_text = Some(text);
        },
    )?;
    Ok(())
}

/// A text of the guest's: at most `bytes_max` of it, made printable; empty if it is not in the guest's memory.
fn text(caller: &mut Caller<'_, GuestState>, at: u32, len: u32, bytes_max: usize) -> String {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return String::new() };
    let len = (len as usize).min(bytes_max);
    let bytes = memory.data(&caller).get(at as usize..).and_then(|rest| rest.get(..len)).unwrap_or_default();
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if text.contains(|c: char| c.is_control()) {
        text = text.replace(|c: char| c.is_control(), " ");
    }
    text
}
