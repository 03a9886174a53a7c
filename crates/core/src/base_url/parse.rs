//! The parser: own rules first, then the `url` crate as a second opinion. Refusal beats normalisation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{BaseUrl, Host, InvalidBaseUrl, Scheme};
use crate::net::AddressClass;

/// The longest URL, in bytes.
const MAX_LENGTH: usize = 2048;

/// Suffixes that are no public names: RFC 6761 and its followers, ICANN's collision list, and what routers
/// and clouds use inside their networks.
const SPECIAL_USE: &[&str] = &[
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "onion",
    "private",
    "test",
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
        _ => return malformed("it starts with https://, or with http:// towards this machine"),
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
        return malformed("it has at most 2048 characters");
    }
    for byte in text.bytes() {
        match byte {
            b'%' => return malformed("nothing in it is percent-encoded"),
            b'@' if !text.contains("://") || text.find('@') < path_start(text) => {
                return malformed("it holds no user name or password");
            }
            b'?' => return malformed("it has no query"),
            b'#' => return malformed("it has no fragment"),
            b'\\' => return malformed("it holds no backslash"),
            b';' => return malformed("it holds no semicolon"),
            0x21..=0x7e => {}
            _ => {
                return malformed(
                    "it holds visible ASCII only; write international names as xn--…",
                );
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
            None => return malformed("an IPv6 address stands in brackets"),
        },
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => malformed("after an address in brackets comes a port or the path"),
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
        Ok(port) if canonical && port == default => malformed("the scheme's own port is left out"),
        Ok(port) if canonical => Ok(port),
        _ => malformed("a port is a number from 1 to 65535 without leading zeros"),
    }
}

fn parse_host(host: &str) -> Parsed<Host> {
    if let Some(literal) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return match literal.parse::<Ipv6Addr>() {
            Ok(ip) if ip.to_ipv4_mapped().is_some() => {
                malformed("an IPv4 address is written as such, not inside an IPv6 one")
            }
            Ok(ip) if ip.to_string() == literal => Ok(Host::Ip(IpAddr::V6(ip))),
            Ok(_) => malformed("an IPv6 address is written in its shortest form, lower case"),
            Err(_) => malformed("the brackets hold no IPv6 address"),
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
        return malformed("it names a host");
    }
    if host.ends_with('.') {
        return malformed("a host has no trailing dot");
    }
    if host.len() > 253 {
        return malformed("a name has at most 253 characters");
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
            return malformed("a name is made of lower-case letters, digits and inner hyphens");
        }
    }
    let Some((_, last)) = host.rsplit_once('.') else {
        return malformed("a name has at least two labels, localhost aside");
    };
    // 127.1, 0x7f.1 and 1.2.3.4.5 are addresses to some parsers and names to others.
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        return malformed("a host that ends in a number is a canonical IPv4 address");
    }
    if SPECIAL_USE.contains(&last) {
        return forbidden("the name is reserved for special use and is not public");
    }
    Ok(Host::Name(host.to_owned()))
}

fn check_path(path: &str) -> Parsed<()> {
    let Some(segments) = path.strip_prefix('/') else {
        return Ok(());
    };
    for segment in segments.split('/') {
        if matches!(segment, "" | "." | "..") {
            return malformed("the path has no empty and no dot segments");
        }
        if !segment
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._~-:@=+".contains(&b))
        {
            return malformed("the path is made of letters, digits and . _ ~ - : @ = +");
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
        return forbidden("this address is never dialled");
    }
    if scheme == Scheme::Http && class != AddressClass::Loopback {
        return forbidden("plain http goes to this machine only");
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
        malformed("it is not in canonical form")
    }
}

#[cfg(test)]
mod tests;
