//! The parser: own rules first, then the `url` crate as a second opinion. Refusal beats normalisation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{BaseUrl, Host, InvalidBaseUrl, Scheme};
use crate::net::AddressClass;

/// The longest URL, in bytes.
const MAX_LENGTH: usize = 2048;

/// Suffixes that are no public names: RFC 6761 and its followers, ICANN's collision list, and what routers, clouds and
/// clusters use inside their networks.
const SPECIAL_USE: &[&str] = &[
    "alt",
    "arpa",
    "cluster",
    "consul",
    "corp",
    "default",
    "docker",
    "domain",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "kube",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "onion",
    "private",
    "svc",
    "test",
    "workgroup",
];

type Parsed<T> = Result<T, InvalidBaseUrl>;

fn malformed<T>(reason: &'static str) -> Parsed<T> {
    Err(InvalidBaseUrl {
        reason,
        ssrf: false,
    })
}

fn forbidden<T>(reason: &'static str) -> Parsed<T> {
    Err(InvalidBaseUrl { reason, ssrf: true })
}

pub(super) fn parse(text: &str) -> Parsed<BaseUrl> {
    characters(text)?;
    let (scheme, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (Scheme::Https, rest),
        (_, Some(rest)) => (Scheme::Http, rest),
        _ => {
            return malformed(
                "must start with https://, or with http:// for a server on this machine",
            );
        }
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (host, port) = split_port(authority)?;
    let host = parse_host(host)?;
    let port = port.map(|digits| parse_port(digits, scheme)).transpose()?;
    check_path(path)?;
    check_destination(scheme, &host)?;
    let url = BaseUrl {
        scheme,
        host,
        port,
        path: path.to_owned(),
    };
    second_opinion(&url, text)?;
    Ok(url)
}

fn characters(text: &str) -> Parsed<()> {
    if text.len() > MAX_LENGTH {
        return malformed("must be at most 2048 characters long");
    }
    for byte in text.bytes() {
        match byte {
            b'%' => return malformed("must not contain percent-encoding"),
            b'@' if !text.contains("://") || text.find('@') < path_start(text) => {
                return malformed("must not contain a user name or password");
            }
            b'?' => return malformed("must not contain a query"),
            b'#' => return malformed("must not contain a fragment"),
            b'\\' => return malformed("must not contain a backslash"),
            b';' => return malformed("must not contain a semicolon"),
            0x21..=0x7e => {}
            _ => {
                return malformed("must be visible ASCII; write international names as xn--…");
            }
        }
    }
    Ok(())
}

/// Where the path begins, if there is one; the end otherwise.
fn path_start(text: &str) -> Option<usize> {
    let authority = text.find("://")? + 3;
    Some(
        text[authority..]
            .find('/')
            .map_or(text.len(), |at| authority + at),
    )
}

fn split_port(authority: &str) -> Parsed<(&str, Option<&str>)> {
    let end = match authority.strip_prefix('[') {
        Some(inner) => match inner.find(']') {
            Some(at) => at + 2,
            None => return malformed("missing the closing bracket of an IPv6 address"),
        },
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => malformed("only a port or a path may follow an address in brackets"),
    }
}

fn parse_port(digits: &str, scheme: Scheme) -> Parsed<u16> {
    let canonical = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    let default = match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    match digits.parse::<u16>() {
        Ok(port) if canonical && port == default => {
            malformed("must omit the scheme's default port")
        }
        Ok(port) if canonical => Ok(port),
        _ => malformed("the port must be a number from 1 to 65535 without leading zeros"),
    }
}

fn parse_host(host: &str) -> Parsed<Host> {
    if let Some(literal) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return match literal.parse::<Ipv6Addr>() {
            Ok(ip) if ip.to_ipv4_mapped().is_some() => {
                malformed("must not embed an IPv4 address in an IPv6 address")
            }
            Ok(ip) if ip.to_string() == literal => Ok(Host::Ip(IpAddr::V6(ip))),
            Ok(_) => malformed("an IPv6 address must be lower case and in its shortest form"),
            Err(_) => malformed("the text in brackets is not an IPv6 address"),
        };
    }
    // std refuses leading zeros and short forms, so what it reads is canonical.
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(IpAddr::V4(ip)));
    }
    if host == "localhost" {
        return Ok(Host::Localhost);
    }
    parse_name(host)
}

fn parse_name(host: &str) -> Parsed<Host> {
    if host.is_empty() {
        return malformed("must name a host");
    }
    if host.ends_with('.') {
        return malformed("the host must not end with a dot");
    }
    if host.len() > 253 {
        return malformed("the host name must be at most 253 characters long");
    }
    for label in host.split('.') {
        let valid = !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !valid {
            return malformed(
                "each label of the host name must be lower-case letters, digits and inner hyphens",
            );
        }
    }
    let Some((_, last)) = host.rsplit_once('.') else {
        return malformed("the host name must have at least two labels, except localhost");
    };
    // 127.1, 0x7f.1 and 1.2.3.4.5 are addresses to some parsers and names to others.
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        return malformed("a host that ends in a number must be a canonical IPv4 address");
    }
    if SPECIAL_USE.contains(&last) {
        return forbidden("the host name is reserved for special use and is not public");
    }
    Ok(Host::Name(host.to_owned()))
}

fn check_path(path: &str) -> Parsed<()> {
    let Some(segments) = path.strip_prefix('/') else {
        return Ok(());
    };
    for segment in segments.split('/') {
        if matches!(segment, "" | "." | "..") {
            return malformed("the path must not contain empty or dot segments");
        }
        if !segment
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._~-:@=+".contains(&b))
        {
            return malformed("the path may contain only letters, digits and . _ ~ - : @ = +");
        }
    }
    Ok(())
}

fn check_destination(scheme: Scheme, host: &Host) -> Parsed<()> {
    let class = match host {
        Host::Ip(ip) => AddressClass::of(*ip),
        Host::Localhost => AddressClass::Loopback,
        Host::Name(_) => AddressClass::Global,
    };
    if !class.is_dialable() {
        return forbidden("connections to this address are never allowed");
    }
    if scheme == Scheme::Http && class != AddressClass::Loopback {
        return forbidden("plain http is allowed only to this machine");
    }
    Ok(())
}

/// The parser that the HTTP client uses must see exactly what a person reads.
fn second_opinion(url: &BaseUrl, text: &str) -> Parsed<()> {
    let canonical = url.to_string();
    let same = url::Url::parse(text).is_ok_and(|other| {
        other.scheme() == url.scheme.to_string()
            && other.host_str() == Some(url.host.to_string().as_str())
            && other.port() == url.port
            && other.path().strip_suffix('/').unwrap_or(other.path()) == url.path
            && other.username().is_empty()
            && other.password().is_none()
            && other.query().is_none()
            && other.fragment().is_none()
            && other.as_str().strip_suffix('/').unwrap_or(other.as_str()) == canonical
    });
    if same && text.strip_suffix('/').unwrap_or(text) == canonical {
        Ok(())
    } else {
        malformed("not in canonical form")
    }
}

#[cfg(test)]
mod tests;
