//! From a function to itself, a type check, and what the server looks for.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, GenericParam, ItemFn};

use crate::argument::Argument;

/// `#[filter]`
pub(crate) fn filter(attribute: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let kind = Kind {
        name: "filter",
        export: "forebay_filter",
        run: quote!(::forebay_sdk::abi::run_filter),
        answer: quote!(::forebay_sdk::Verdict),
        into: quote!(::forebay_sdk::IntoVerdict::into_verdict),
        undecided: quote!(::forebay_sdk::Verdict::Undecided),
    };
    message_function(&kind, &attribute, item)
}

/// `#[transform]`
pub(crate) fn transform(attribute: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let kind = Kind {
        name: "transform",
        export: "forebay_transform",
        run: quote!(::forebay_sdk::abi::run_transform),
        answer: quote!(::forebay_sdk::Action),
        into: quote!(::forebay_sdk::IntoAction::into_action),
        undecided: quote!(::forebay_sdk::Action::Fail),
    };
    message_function(&kind, &attribute, item)
}

/// `#[init]`
pub(crate) fn init(attribute: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let function = read("init", &attribute, item)?;
    let [FnArg::Typed(config)] = function.sig.inputs.iter().collect::<Vec<_>>()[..] else {
        let text = "an #[init] function takes one argument: the plugin's config, any type that serde can deserialize";
        return Err(Error::new(function.sig.inputs.span(), text));
    };
    let (name, config) = (&function.sig.ident, &config.ty);
    let section = section("init", &name.to_string(), 0);
    Ok(quote! {
        #function
        #[allow(dead_code, unsafe_code)]
        const _: () = {
            fn call(config: #config) -> ::core::result::Result<(), ::std::string::String> {
                ::forebay_sdk::IntoInit::into_init(#name(config))
            }
            #section
            // SAFETY: the export's name is the ABI's; no other function has it.
            #[cfg(target_arch = "wasm32")]
            #[unsafe(no_mangle)]
            extern "C" fn forebay_configure(len: i32) -> i32 {
                ::forebay_sdk::abi::run_init(len, call)
            }
        };
    })
}

/// An attribute that only says that it is not built.
pub(crate) fn not_built(name: &str, item: TokenStream) -> TokenStream {
    let text = format!("#[{name}] is not built yet: this version has #[filter], #[transform] and #[init]");
    quote!(::core::compile_error!(#text); #item)
}

/// What filters and transforms differ in.
struct Kind {
    name: &'static str,
    export: &'static str,
    run: TokenStream,
    answer: TokenStream,
    into: TokenStream,
    undecided: TokenStream,
}

fn message_function(kind: &Kind, attribute: &TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let function = read(kind.name, attribute, item)?;
    let mut arguments = Vec::new();
    let mut errors: Option<Error> = None;
    for argument in &function.sig.inputs {
        match (Argument::of(argument), &mut errors) {
            (Ok(argument), _) => arguments.push(argument),
            (Err(error), Some(errors)) => errors.combine(error),
            (Err(error), none) => *none = Some(error),
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let needs = arguments.iter().fold(0, |needs, argument| needs | argument.needs());
    let values = arguments.iter().map(|argument| argument.value(&kind.undecided));
    let Kind { run, answer, into, .. } = kind;
    let (name, export) = (&function.sig.ident, format_ident!("{}", kind.export));
    let section = section(kind.name, &name.to_string(), needs);
    Ok(quote! {
        #function
        #[allow(dead_code, unused_variables, unsafe_code)]
        const _: () = {
            fn call(message: &::forebay_sdk::Message<'_>) -> #answer {
                #into(#name(#(#values),*))
            }
            #section
            // SAFETY: the export's name is the ABI's; no other function has it.
            #[cfg(target_arch = "wasm32")]
            #[unsafe(no_mangle)]
            extern "C" fn #export(count: i32) -> i64 {
                #run(count, call)
            }
        };
    })
}

/// The function, if it is one that can be called with a message.
fn read(kind: &str, attribute: &TokenStream, item: TokenStream) -> Result<ItemFn, Error> {
    if !attribute.is_empty() {
        return Err(Error::new(attribute.span(), format!("#[{kind}] takes nothing in parentheses")));
    }
    let function: ItemFn = syn::parse2(item)
        .map_err(|error| Error::new(error.span(), format!("#[{kind}] stands on a function, and this is none")))?;
    let signature = &function.sig;
    let refuse = |span, what: &str| Err(Error::new(span, format!("a #[{kind}] function {what}")));
    if let Some(asynchronous) = &signature.asyncness {
        return refuse(asynchronous.span(), "cannot be async: it is called for each message and never waits");
    }
    if let Some(unsafety) = &signature.unsafety {
        return refuse(unsafety.span(), "cannot be unsafe");
    }
    if let Some(variadic) = &signature.variadic {
        return refuse(variadic.span(), "cannot be variadic");
    }
    if let Some(generic) = signature.generics.params.iter().find(|p| !matches!(p, GenericParam::Lifetime(_))) {
        return refuse(generic.span(), "cannot be generic: its types say what it needs of a message");
    }
    Ok(function)
}

/// The function's line in the custom section `forebay.plugin`.
fn section(kind: &str, function: &str, needs: u32) -> TokenStream {
    let of_crate = |name| std::env::var(name).unwrap_or_default();
    let (name, version) = (of_crate("CARGO_PKG_NAME"), of_crate("CARGO_PKG_VERSION"));
    // Crate names, versions and identifiers hold nothing that JSON would have to escape.
    let line = format!(
        "{{\"abi\":\"forebay/1\",\"kind\":\"{kind}\",\"fn\":\"{function}\",\"needs\":{needs},\
         \"name\":\"{name}\",\"version\":\"{version}\"}}\n"
    );
    let (len, bytes) = (line.len(), Literal::byte_string(line.as_bytes()));
    quote! {
        // SAFETY: a custom section that nothing else in the module reads.
        #[cfg(target_arch = "wasm32")]
        #[unsafe(link_section = "forebay.plugin")]
        #[used]
        static SECTION: [u8; #len] = *#bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expand = fn(TokenStream, TokenStream) -> Result<TokenStream, Error>;

    fn run(expand: Expand, text: &str) -> Result<String, String> {
        let item = text.parse().unwrap();
        expand(TokenStream::new(), item).map(|tokens| tokens.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_needs_are_those_of_the_arguments() {
        let text = run(filter, "fn big(subject: &str, order: Json<Order>) -> bool { true }").unwrap();
        assert!(text.contains(r#"\"kind\":\"filter\",\"fn\":\"big\",\"needs\":9"#), "{text}");
        assert!(text.contains("forebay_filter"));
        let text = run(transform, "fn all(m: &Message<'_>) -> Action { Action::Pass }").unwrap();
        assert!(text.contains(r#"\"needs\":15"#) && text.contains("forebay_transform"));
        assert!(run(filter, "fn none() -> bool { true }").unwrap().contains(r#"\"needs\":0"#));
    }

    #[test]
    fn what_cannot_be_called_is_refused_in_words() {
        for (expand, text, want) in [
            (filter as Expand, "async fn f() -> bool { true }", "cannot be async"),
            (filter, "unsafe fn f() -> bool { true }", "cannot be unsafe"),
            (transform, "fn f<T>(m: &Message<'_>) -> Action { Action::Pass }", "cannot be generic"),
            (transform, "struct S;", "stands on a function"),
            (filter, "fn f(n: u8) -> bool { true }", "`u8` is not something a plugin function can take"),
            (init, "fn f() {}", "takes one argument: the plugin's config"),
            (init, "fn f(a: u8, b: u8) {}", "takes one argument"),
        ] {
            let error = run(expand, text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert!(
            filter(
                quote!(x),
                quote!(
                    fn f() -> bool {
                        true
                    }
                )
            )
            .unwrap_err()
            .to_string()
            .contains("parentheses")
        );
        assert!(
            not_built(
                "authorize",
                quote!(
                    fn f() {}
                )
            )
            .to_string()
            .contains("is not built yet")
        );
    }

    #[test]
    fn lifetimes_are_no_generics() {
        assert!(run(filter, "fn f<'a>(subject: &'a str) -> bool { true }").is_ok());
    }
}
