//! Who is who in the shop.

/// One process of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes the calls of customers and passes them on.
    Gateway,
    /// Orders: made, listed, paid.
    Orders,
    /// Products: listed, searched, looked at.
    Catalog,
    /// Customers: log in, profiles.
    Users,
    /// Charges cards; slow, and sometimes its bank does not answer.
    Payments,
    /// Keys and values over HTTP: the database of the others.
    Inventory,
    /// The customers: calls the gateway in a loop, listens on no port.
    Shopper,
}

/// Every role, in the order they are started: whoever is called comes before whoever calls.
const ALL: [Role; 7] =
    [Role::Inventory, Role::Payments, Role::Users, Role::Catalog, Role::Orders, Role::Gateway, Role::Shopper];

/// Every role, whoever is called before whoever calls.
pub fn roles() -> &'static [Role] {
    &ALL
}

impl Role {
    /// `gateway`, `orders`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Orders => "orders",
            Self::Catalog => "catalog",
            Self::Users => "users",
            Self::Payments => "payments",
            Self::Inventory => "inventory",
            Self::Shopper => "shopper",
        }
    }

    /// `shop-gateway`, …: the name in process listings and `OTEL_SERVICE_NAME`.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Gateway => "shop-gateway",
            Self::Orders => "shop-orders",
            Self::Catalog => "shop-catalog",
            Self::Users => "shop-users",
            Self::Payments => "shop-payments",
            Self::Inventory => "shop-inventory",
            Self::Shopper => "shop-shopper",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        ALL.into_iter().find(|role| role.name() == name)
    }

    /// Place among the ports; the shopper has none.
    pub(crate) const fn port_index(self) -> Option<u16> {
        match self {
            Self::Gateway => Some(0),
            Self::Orders => Some(1),
            Self::Catalog => Some(2),
            Self::Users => Some(3),
            Self::Payments => Some(4),
            Self::Inventory => Some(5),
            Self::Shopper => None,
        }
    }
}
