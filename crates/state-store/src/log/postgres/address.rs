//! Where a database is. What is shown of it never holds the password.

use std::fmt;
use std::sync::Arc;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Where a database is: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE`.
///
/// Its text and its `Debug` form leave out the password and the options.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    config: Arc<Config>,
}

/// A text that is no address of a database. What was given is left out, since it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address of a database: {reason}; the form is postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct InvalidPostgresAddress {
    /// What is wrong with it.
    pub reason: &'static str,
}

impl PostgresAddress {
    /// Returns the address that `postgres://...` or `postgresql://...` names.
    ///
    /// A path of a socket is given as an option: `postgres:///DATABASE?host=/run/postgresql`.
    pub fn parse(url: &str) -> Result<Self, InvalidPostgresAddress> {
        let invalid = |reason| InvalidPostgresAddress { reason };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(invalid("it does not begin with postgres://"));
        }
        // The parser's own message may quote a piece of the password.
        let config: Config =
            url.parse().map_err(|_| invalid("it cannot be read, or holds an option that is not known"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid("it names no host"));
        }
        Ok(Self { config: Arc::new(config) })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let ports = self.config.get_ports();
        let mut sockets = Vec::new();
        for (position, host) in self.config.get_hosts().iter().enumerate() {
            match host {
                Host::Tcp(name) => {
                    f.write_str(if position == 0 { "" } else { "," })?;
                    f.write_str(name)?;
                    if let Some(port) = ports.get(position).or(ports.first()) {
                        write!(f, ":{port}")?;
                    }
                }
                #[cfg(unix)]
                Host::Unix(path) => sockets.push(path.display()),
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())?;
        if let Some(socket) = sockets.first() {
            write!(f, "?host={socket}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_an_address_never_holds_the_password() {
        for (url, shown) in [
            ("postgres://ann:s3cret@db.example:5433/plans", "postgres://ann@db.example:5433/plans"),
            ("postgresql://ann:s3cret@db.example/plans", "postgres://ann@db.example:5432/plans"),
            ("postgres://a,b/plans?user=ann&password=s3cret", "postgres://ann@a:5432,b:5432/plans"),
            (
                "postgres:///plans?host=/run/postgresql&password=s3cret",
                "postgres:///plans?host=/run/postgresql",
            ),
        ] {
            let address = PostgresAddress::parse(url).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("PostgresAddress({shown})"));
        }
    }

    #[test]
    fn a_bad_address_is_refused_without_a_word_of_it() {
        for url in [
            "",
            "mysql://ann:s3cret@host/x",
            "host=x password=s3cret",
            "postgres://ann:s3cret@host:port/x",
            "postgres://ann@host/x?password=a&s3cret=1",
            "postgres:///x?password=s3cret",
        ] {
            let error = PostgresAddress::parse(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
