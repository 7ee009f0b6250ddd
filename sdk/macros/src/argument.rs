//! What an argument's type says about the part of the message it wants.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, Pat, Type};

/// A part of a message, as a function takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    Subject,
    Reply,
    Headers { by_reference: bool },
    Payload,
    Json,
    Message,
}

impl Argument {
    /// Reads one argument of a function.
    pub(crate) fn of(argument: &FnArg) -> Result<Self, Error> {
        let FnArg::Typed(argument) = argument else {
            return Err(Error::new(argument.span(), "a plugin function has no `self`: make it a plain `fn`"));
        };
        let name = match argument.pat.as_ref() {
            Pat::Ident(name) => name.ident.to_string(),
            _ => String::new(),
        };
        Self::of_type(&argument.ty, &name).ok_or_else(|| {
            let found = argument.ty.to_token_stream().to_string().replace(" ", "");
            let text = format!(
                "`{found}` is not something a plugin function can take: use &str (the subject; name it `reply` for the \
                 reply subject), &Headers, &[u8] (the payload), Json<T> or &Message"
            );
            Error::new(argument.ty.span(), text)
        })
    }

    fn of_type(of: &Type, name: &str) -> Option<Self> {
        match of {
            Type::Reference(reference) if reference.mutability.is_none() => match reference.elem.as_ref() {
                Type::Path(path) => match last_segment(path)?.as_str() {
                    "str" if name == "reply" || name == "_reply" => Some(Self::Reply),
                    "str" => Some(Self::Subject),
                    "Headers" => Some(Self::Headers { by_reference: true }),
                    "Message" => Some(Self::Message),
                    _ => None,
                },
                Type::Slice(slice) => match slice.elem.as_ref() {
                    Type::Path(path) if path.path.is_ident("u8") => Some(Self::Payload),
                    _ => None,
                },
                _ => None,
            },
            Type::Path(path) => match last_segment(path)?.as_str() {
                "Json" => Some(Self::Json),
                "Headers" => Some(Self::Headers { by_reference: false }),
                _ => None,
            },
            _ => None,
        }
    }

    /// Its bit of `needs` in the section `forebay.plugin`.
    pub(crate) fn needs(self) -> u32 {
        match self {
            Self::Subject => 1,
            Self::Reply => 2,
            Self::Headers { .. } => 4,
            Self::Payload | Self::Json => 8,
            Self::Message => 15,
        }
    }

    /// The value, taken from `message: &Message<'_>`. JSON that cannot be read ends the call with `undecided`.
    pub(crate) fn value(self, undecided: &TokenStream) -> TokenStream {
        match self {
            Self::Subject => quote!(message.subject()),
            Self::Reply => quote!(message.reply().unwrap_or_default()),
            Self::Headers { by_reference: true } => quote!(&message.headers()),
            Self::Headers { by_reference: false } => quote!(message.headers()),
            Self::Payload => quote!(message.payload()),
            Self::Json => quote!(match ::forebay_sdk::Json::read(message.payload()) {
                ::core::result::Result::Ok(json) => json,
                ::core::result::Result::Err(why) => return #undecided(why),
            }),
            Self::Message => quote!(message),
        }
    }
}

fn last_segment(path: &syn::TypePath) -> Option<String> {
    Some(path.path.segments.last()?.ident.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Argument, String> {
        Argument::of(&syn::parse_str(text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_type_says_which_part_is_meant() {
        for (text, want, needs) in [
            ("s: &str", Argument::Subject, 1),
            ("reply: &str", Argument::Reply, 2),
            ("h: &Headers", Argument::Headers { by_reference: true }, 4),
            ("h: forebay_sdk::Headers<'_>", Argument::Headers { by_reference: false }, 4),
            ("p: &[u8]", Argument::Payload, 8),
            ("Json(order): Json<Order<'_>>", Argument::Json, 8),
            ("m: &Message<'_>", Argument::Message, 15),
        ] {
            let argument = read(text).unwrap();
            assert_eq!((argument, argument.needs()), (want, needs), "{text}");
        }
    }

    #[test]
    fn other_types_are_refused_with_what_is_allowed() {
        for text in ["n: u8", "s: String", "s: &mut str", "p: &[u16]", "m: Message<'_>", "p: Vec<u8>", "t: (u8, u8)"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("is not something a plugin function can take: use &str"), "{text}: {error}");
        }
        assert!(read("n: u8").unwrap_err().starts_with("`u8`"));
        assert!(read("&self").unwrap_err().contains("plain `fn`"));
    }
}
