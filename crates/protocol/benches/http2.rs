//! What a stream of HTTP/2 costs: `cargo bench -p overhear-protocol --bench http2`.

use divan::{Bencher, counter::ItemsCount};
use overhear_exchange::Timestamp;
use overhear_protocol::{Connection, Hint, Limits};
use overhear_testkit::http2::talks::load;

fn main() {
    divan::main();
}

const STREAMS: u32 = 10_000;

/// Ten streams at once; the same path again and again, or a new one each time.
#[divan::bench(args = [true, false])]
fn streams(bencher: Bencher, same: bool) {
    let talk = load(STREAMS, 10, same);
    bencher.counter(ItemsCount::new(STREAMS)).bench_local(|| {
        let mut connection = Connection::new(Limits::default(), Hint { opener_known: true, tls: false });
        let mut out = Vec::new();
        let mut heard = 0;
        for (now, (from, bytes)) in (0..).zip(&talk) {
            connection.data(*from, Timestamp::from_nanos(now * 1000), bytes, &mut out);
            heard += out.len();
            out.clear();
        }
        assert_eq!(heard, STREAMS as usize);
    });
}
