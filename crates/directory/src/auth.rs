//! Who is calling: extractors that turn the `X-API-KEY` or `Authorization` header into a known user, or refuse.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::HeaderName;
use http::request::Parts;
use service::Problem;
use uuid::Uuid;

use crate::directory::Directory;
use crate::model::{Role, User, Website};

/// The header that carries the key.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// A user with a valid key. Without one the request is answered with [`Problem::Unauthorized`].
///
/// A key that another process has made or revoked is known here within 2 s.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub user: Arc<User>,
}

impl Caller {
    /// Whether the caller may do everything.
    pub fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }

    /// Whether the website is the caller's business: an admin's always, a user's within the account, that of a key
    /// that is bound to a website only for this one.
    pub fn may_see(&self, website: &Website) -> bool {
        self.is_admin()
            || self.user.account_id == website.account_id
                && self.user.website_id.is_none_or(|bound| bound == website.id)
    }

    /// Whether the caller may change what it may see: a key that is bound to a website counts and reports, no more.
    pub fn may_change(&self) -> Result<(), Problem> {
        if self.user.website_id.is_none() { Ok(()) } else { Err(Problem::Forbidden) }
    }

    /// The websites that are the caller's own: all of the account, or the one that the key is bound to. An admin, who
    /// sees those of others, has own ones too.
    pub fn own_websites(&self, directory: &Directory) -> Vec<Arc<Website>> {
        let snapshot = directory.snapshot();
        let own =
            |website: &&Arc<Website>| website.account_id == self.user.account_id && self.may_see(website);
        snapshot.websites().iter().filter(own).cloned().collect()
    }

    /// The website with this id. One of another account is as absent as one that does not exist.
    pub fn website(&self, directory: &Directory, id: Uuid) -> Result<Arc<Website>, Problem> {
        let snapshot = directory.snapshot();
        let website = snapshot.website(id).filter(|website| self.may_see(website));
        website.cloned().ok_or(Problem::NotFound("Website"))
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Directory>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let key = parts.headers.get(KEY_HEADER).and_then(|value| value.to_str().ok());
        whose(&Arc::<Directory>::from_ref(state), key)
    }
}

/// Whose key it is; no key and an unknown one are alike.
fn whose(directory: &Directory, key: Option<&str>) -> Result<Caller, Problem> {
    let user = key.and_then(|key| directory.snapshot().user_by_key(key));
    user.map(|user| Caller { user }).ok_or(Problem::Unauthorized)
}

/// A caller whose key came as `Authorization: Bearer …`, as some published APIs have it.
#[derive(Debug, Clone)]
pub struct Bearer(pub Caller);

impl<S> FromRequestParts<S> for Bearer
where
    S: Send + Sync,
    Arc<Directory>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let value = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = value
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, key)| key.trim());
        whose(&Arc::<Directory>::from_ref(state), key).map(Self)
    }
}

/// A caller who is an admin. Anybody else with a key is answered with [`Problem::Forbidden`].
#[derive(Debug, Clone)]
pub struct Admin(pub Caller);

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Arc<Directory>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.is_admin() { Ok(Self(caller)) } else { Err(Problem::Forbidden) }
    }
}
