//! Client assertions: a JWT that the application signed with its certificate, or one of another issuer that it trusts (workload identity).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Denied;
use crate::message::Request;
use crate::state::State;
use crate::world::Principal;

/// Whether `proof` is one of `principal`.
pub(super) fn check(state: &State, request: &Request, principal: &Principal, proof: &str) -> Result<(), Denied> {
    let jwt = Jwt::read(proof).ok_or_else(|| Denied::request(50_027, "JWT token is invalid or malformed."))?;
    let now = state.clock.unix_seconds();
    if jwt.claims["exp"].as_u64().is_none_or(|expiry| expiry <= now) {
        return Err(Denied::client(700_024, "Client assertion is not within its valid time range."));
    }
    if jwt.claim("iss").eq_ignore_ascii_case(&principal.client_id) { certificate(request, principal, &jwt) } else { federated(principal, &jwt) }
}

fn certificate(request: &Request, principal: &Principal, jwt: &Jwt) -> Result<(), Denied> {
    if !jwt.claim("sub").eq_ignore_ascii_case(&principal.client_id) {
        return Err(Denied::client(700_021, "Client assertion application identifier doesn't match 'client_id' parameter."));
    }
    // The audience is this token endpoint, of either version, at whichever name of the authority.
    let tenant = format!("/{}/", principal.tenant_id);
    if !jwt.claim("aud").starts_with(&format!("{}/", request.origin)) || !jwt.claim("aud").contains(&tenant) {
        return Err(Denied::client(700_023, format!("Client assertion audience claim does not match Realm issuer. Audience: '{}'.", jwt.claim("aud"))));
    }
    let thumbprint = jwt.header["x5t"].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()).unwrap_or_default();
    let thumbprint: String = thumbprint.iter().map(|byte| format!("{byte:02X}")).collect();
    if principal.certificate_thumbprint.as_deref().is_some_and(|known| !thumbprint.is_empty() && known.eq_ignore_ascii_case(&thumbprint)) {
        return Ok(());
    }
    let message =
        format!("Client assertion contains an invalid signature. [Reason - The key was not found., Thumbprint of key used by client: '{thumbprint}']");
    Err(Denied::client(700_027, message))
}

fn federated(principal: &Principal, jwt: &Jwt) -> Result<(), Denied> {
    if principal.federated_subject.as_deref() != Some(jwt.claim("sub")) {
        let message = format!(
            "No matching federated identity record found for presented assertion subject '{}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.",
            jwt.claim("sub")
        );
        return Err(Denied::client(700_213, message));
    }
    Ok(())
}

/// A JWT, read but not verified.
struct Jwt {
    header: Value,
    claims: Value,
}

impl Jwt {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.');
        let mut object = || serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(parts.next()?.trim_end_matches('=')).ok()?).ok().filter(Value::is_object);
        let (header, claims) = (object()?, object()?);
        parts.next().filter(|signature| !signature.is_empty())?;
        Some(Self { header, claims })
    }

    fn claim(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_default()
    }
}
