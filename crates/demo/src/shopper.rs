//! The customers: a loop of calls as real ones make them.

use crate::{
    Role,
    chance::Chance,
    process::Orders,
    services::{CUSTOMERS, Product, Upstream, goods},
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Value, json};
use std::time::Duration;

/// Customers in the shop at once, each with a connection of their own.
const AT_ONCE: u32 = 4;

/// Shops until the process ends.
pub(crate) async fn run(orders: &Orders) {
    let pause = Duration::from_secs_f64(f64::from(AT_ONCE) / orders.pace);
    let customer = |seed: u64| {
        let mut customer = Customer::new(seed, Upstream::new(Role::Shopper, orders.ports.url(Role::Gateway)));
        async move {
            loop {
                let before = tokio::time::Instant::now();
                customer.step().await;
                // What the step took counts: a slow shop does not lower the pace much.
                let pause = customer.chance.latency(pause).saturating_sub(before.elapsed());
                tokio::time::sleep(pause).await;
            }
        }
    };
    let start = u64::from(std::process::id());
    tokio::join!(customer(start), customer(start + 1), customer(start + 2), customer(start + 3));
}

struct Customer {
    chance: Chance,
    gateway: Upstream,
    goods: Vec<Product>,
    id: u64,
    token: Option<String>,
    cookie: Option<String>,
    order: Option<String>,
}

impl Customer {
    fn new(seed: u64, gateway: Upstream) -> Self {
        let mut chance = Chance::new(seed);
        let id = 1 + chance.below(CUSTOMERS);
        Self { chance, gateway, goods: goods(), id, token: None, cookie: None, order: None }
    }

    /// One of the things that customers do, common ones often.
    async fn step(&mut self) {
        if self.token.is_none() {
            return self.login().await;
        }
        match self.chance.below(100) {
            0..=23 => self.browse().await,
            24..=43 => self.look().await,
            44..=49 => self.variant().await,
            50..=57 => self.search().await,
            58..=67 => self.me().await,
            68..=73 => self.profile().await,
            74..=81 => self.order().await,
            82..=86 => self.pay().await,
            87..=91 => self.order_by_id().await,
            92..=93 => self.open_orders().await,
            94..=95 => self.coupon().await,
            96..=97 => self.report().await,
            98 => self.change_order().await,
            _ => self.token = None,
        }
    }

    async fn login(&mut self) {
        self.id = 1 + self.chance.below(CUSTOMERS);
        let password = if self.chance.one_in(5) { "letmein" } else { "correct horse" };
        let body = json!({"email": format!("customer{}@shop.example", self.id), "password": password});
        let answer = self.gateway.json(Method::POST, "/api/login", &body).await;
        self.token = answer.value().get("token").and_then(Value::as_str).map(str::to_owned);
        let cookie = answer.headers.get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
        self.cookie = cookie.and_then(|value| value.split(';').next()).map(str::to_owned);
    }

    async fn browse(&mut self) {
        let category = ["kitchen", "garden", "office", "toys", "sport"];
        let category = self.chance.favourite(&category).copied().unwrap_or("toys");
        let page = 1 + self.chance.below(4);
        let limit = match self.chance.below(24) {
            0..=1 => 600,
            2..=5 => 100,
            _ => 20,
        };
        self.get(&format!("/api/products?category={category}&page={page}&limit={limit}")).await;
    }

    async fn look(&mut self) {
        let slug = match self.chance.below(16) {
            0 => "moon-lamp".to_owned(),
            _ => self.chance.favourite(&self.goods).map(|p| p.slug.clone()).unwrap_or_default(),
        };
        let method = if self.chance.one_in(20) { Method::HEAD } else { Method::GET };
        self.call(method, &format!("/api/products/{slug}")).await;
    }

    async fn variant(&mut self) {
        let id = self.chance.favourite(&self.goods).map(|product| product.id.clone()).unwrap_or_default();
        self.get(&format!("/api/variants/{id}")).await;
    }

    async fn search(&mut self) {
        let words = ["blue", "lamp", "oak", "tea", "travel%20kite", "robot"];
        let word = self.chance.favourite(&words).copied().unwrap_or("blue");
        self.get(&format!("/api/search?q={word}")).await;
    }

    async fn me(&self) {
        self.get("/api/users/me").await;
    }

    async fn profile(&mut self) {
        let id = 1 + self.chance.below(CUSTOMERS + 10);
        self.get(&format!("/api/users/{id}")).await;
    }

    async fn order(&mut self) {
        let items: Vec<Value> = (0..1 + self.chance.below(5))
            .filter_map(|_| {
                let sku = self.chance.favourite(&self.goods)?.sku.clone();
                Some(json!({"sku": sku, "quantity": 1 + self.chance.below(3)}))
            })
            .collect();
        let mut body = json!({"customer": self.id, "items": items});
        if self.chance.one_in(4)
            && let Some(body) = body.as_object_mut()
        {
            body.insert("note".to_owned(), json!("please ring twice"));
        }
        let answer = self.gateway.json(Method::POST, "/api/orders", &body).await;
        self.order = answer.value().get("id").and_then(Value::as_str).map(str::to_owned);
    }

    async fn pay(&mut self) {
        if let Some(order) = self.order.take() {
            let body = json!({"method": "card"});
            self.gateway.json(Method::POST, &format!("/api/orders/{order}/pay"), &body).await;
        }
    }

    async fn order_by_id(&mut self) {
        let id = match &self.order {
            Some(order) if !self.chance.one_in(12) => order.clone(),
            _ => self.chance.prefixed("ord"),
        };
        self.get(&format!("/api/orders/{id}")).await;
    }

    async fn open_orders(&mut self) {
        let limit = 5 + self.chance.below(10);
        self.get(&format!("/api/orders?status=open&limit={limit}")).await;
    }

    async fn coupon(&mut self) {
        let code = if self.chance.one_in(3) { "SPRING24" } else { "WELCOME10" };
        self.gateway.json(Method::POST, "/api/coupons/apply", &json!({"code": code})).await;
    }

    async fn report(&mut self) {
        let day = 1 + self.chance.below(28);
        // People who see an error press the button again.
        for _ in 0..3 {
            if self.get(&format!("/api/reports/sales/2026-03-{day:02}")).await < 500 {
                break;
            }
        }
    }

    async fn change_order(&self) {
        if let Some(order) = &self.order {
            self.call(Method::DELETE, &format!("/api/orders/{order}/items/0")).await;
        }
    }

    async fn get(&self, path: &str) -> u16 {
        self.call(Method::GET, path).await
    }

    async fn call(&self, method: Method, path: &str) -> u16 {
        let mut headers = HeaderMap::new();
        let agent = if self.id.is_multiple_of(3) { "ShopApp/7.2 (iOS)" } else { "ShopWeb/2.4.1" };
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::USER_AGENT, agent);
        if let Some(token) = &self.token {
            set(header::AUTHORIZATION, &format!("Bearer {token}"));
        }
        if let Some(cookie) = &self.cookie {
            set(header::COOKIE, cookie);
        }
        self.gateway.call(method, path, headers, Vec::new()).await.status.as_u16()
    }
}
