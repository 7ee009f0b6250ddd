//! `forebay/1`, the guest's side: mailbox, frames, answers, imports. Called by what the attributes generate; not for
//! use by hand. The only `unsafe` code that a plugin has, with the reason at each use.

#[cfg(any(test, target_arch = "wasm32"))]
mod codec;

#[cfg(target_arch = "wasm32")]
pub use guest::{count, forebay_buf, forebay_start, log, run_filter, run_init, run_transform};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{count, log};

/// Without a server: what tests see.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    /// A line of the log.
    #[doc(hidden)]
    pub fn log(level: u32, line: &str) {
        let level = ["ERROR", "WARN", "INFO", "DEBUG"].get(level as usize).unwrap_or(&"TRACE");
        eprintln!("[plugin] {level} {line}");
    }

    /// A counter, which nobody reads here.
    #[doc(hidden)]
    pub fn count(_name: &str, _by: u64) {}
}

/// On the server.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
mod guest {
    use std::cell::UnsafeCell;

    use serde::de::DeserializeOwned;

    use super::codec::{Answer, filter_frame, transform_frame};
    use crate::action::Action;
    use crate::init::IntoInit;
    use crate::message::Message;
    use crate::verdict::Verdict;

    #[link(wasm_import_module = "forebay")]
    unsafe extern "C" {
        #[link_name = "log"]
        fn import_log(level: u32, at: *const u8, len: usize);
        #[link_name = "count"]
        fn import_count(at: *const u8, len: usize, by: u64);
        #[link_name = "fail"]
        fn import_fail(at: *const u8, len: usize);
        #[link_name = "undecided"]
        fn import_undecided(message: u32, at: *const u8, len: usize);
    }

    /// A buffer of this only thread.
    struct Buffer(UnsafeCell<Vec<u8>>);

    // SAFETY: `wasm32-unknown-unknown` without the atomics feature has one thread, and the host calls one export at a
    // time.
    unsafe impl Sync for Buffer {}

    static MAILBOX: Buffer = Buffer(UnsafeCell::new(Vec::new()));
    static RECORD: Buffer = Buffer(UnsafeCell::new(Vec::new()));

    /// What the host wrote.
    fn mailbox() -> &'static [u8] {
        // SAFETY: the mailbox changes only in `forebay_buf`, which the host calls between calls of other exports, and
        // these keep no borrow of it beyond themselves.
        unsafe { &*MAILBOX.0.get() }
    }

    /// A line of the log.
    #[doc(hidden)]
    pub fn log(level: u32, line: &str) {
        // SAFETY: the host reads the bytes of `line` during the call and keeps no pointer.
        unsafe { import_log(level, line.as_ptr(), line.len()) }
    }

    /// A counter.
    #[doc(hidden)]
    pub fn count(name: &str, by: u64) {
        // SAFETY: as in `log`.
        unsafe { import_count(name.as_ptr(), name.len(), by) }
    }

    fn fail(text: &str) {
        // SAFETY: as in `log`.
        unsafe { import_fail(text.as_ptr(), text.len()) }
    }

    fn undecided(message: u32, why: &str) {
        // SAFETY: as in `log`.
        unsafe { import_undecided(message, why.as_ptr(), why.len()) }
    }

    /// Called once, before anything else.
    // SAFETY: the names of exports are the ABI's; no other crate defines them.
    #[unsafe(no_mangle)]
    pub extern "C" fn forebay_start() {
        std::panic::set_hook(Box::new(|info| fail(&info.to_string())));
    }

    /// A mailbox of at least `min` bytes; 0 if there is no memory for it.
    // SAFETY: as above.
    #[unsafe(no_mangle)]
    pub extern "C" fn forebay_buf(min: i32) -> i32 {
        let min = usize::try_from(min).unwrap_or_default();
        // SAFETY: nobody borrows the mailbox now: the host calls one export at a time.
        let mailbox = unsafe { &mut *MAILBOX.0.get() };
        if mailbox.len() < min {
            // What was in it need not be kept, so the old one goes first.
            *mailbox = Vec::new();
            if mailbox.try_reserve_exact(min).is_err() {
                return 0;
            }
            mailbox.resize(min, 0);
        }
        mailbox.as_ptr() as usize as i32
    }

    /// Behind `forebay_filter`.
    #[doc(hidden)]
    pub fn run_filter(count: i32, judge: impl Fn(&Message<'_>) -> Verdict) -> i64 {
        let bits = filter_frame(mailbox(), count as usize, judge, undecided);
        bits.expect("the host writes whole frames") as i64
    }

    /// Behind `forebay_transform`.
    #[doc(hidden)]
    pub fn run_transform(_count: i32, judge: impl Fn(&Message<'_>) -> Action) -> i64 {
        // SAFETY: the record is written here only, and the host reads it before it calls again.
        let record = unsafe { &mut *RECORD.0.get() };
        let (answer, text) = transform_frame(mailbox(), judge, record).expect("the host writes whole frames");
        if let Some(text) = text {
            fail(&text);
        }
        match answer {
            Answer::Code(code) => code,
            Answer::Record(record) => ((record.as_ptr() as u64) << 32 | record.len() as u64) as i64,
        }
    }

    /// Behind `forebay_configure`.
    #[doc(hidden)]
    pub fn run_init<T: DeserializeOwned, R: IntoInit>(len: i32, init: impl FnOnce(T) -> R) -> i32 {
        let config = mailbox().get(..len as usize).expect("the host writes whole configs");
        let config = serde_json::from_slice(config).map_err(|error| error.to_string());
        match config.and_then(|config| init(config).into_init()) {
            Ok(()) => 0,
            Err(why) => {
                fail(&why);
                1
            }
        }
    }
}
