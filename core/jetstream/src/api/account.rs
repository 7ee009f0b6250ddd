//! `$JS.API.INFO`.

use forebay_api::account::{AccountInfo, ApiUse, Described};
use forebay_api::level::SERVER_LEVEL;

use super::{ApiBackend, Call, Step};

/// What the account uses and may use.
pub(super) fn info<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    let info = call.backend.account_info(call.request.account);
    let api = ApiUse { level: SERVER_LEVEL, ..info.api };
    let domain = call.backend.facts().domain.clone();
    call.answer(Ok(Described { info: Some(AccountInfo { api, domain, ..info }) }))
}
