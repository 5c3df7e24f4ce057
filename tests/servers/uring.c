/* SPDX-License-Identifier: Apache-2.0 */
/* Answers over HTTP, and moves every byte of it by io_uring. One connection at a time. `uring PORT` */
#define _GNU_SOURCE
#include "../../crates/capture/tests/uring.h"

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n"
			     "{\"id\":7,\"name\":\"by ring\"}";

int main(int argc, char **argv)
{
	static char asked[4096], answered[sizeof(answer)];
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ring ring;
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	CHECK(argc == 2);
	address.sin_port = htons(atoi(argv[1]));
	ring_open(&ring);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	CHECK(!bind(listener, (void *)&address, sizeof(address)) && !listen(listener, 8));
	memcpy(answered, answer, sizeof(answer));
	while ((here = accept(listener, NULL, NULL)) >= 0) {
		for (;;) {
			ring_submit(&ring, IORING_OP_RECV, asked, sizeof(asked), 1);
			if (ring_result(&ring) <= 0)
				break;
			ring_submit(&ring, IORING_OP_SEND, answered, sizeof(answer) - 1, 1);
			CHECK(ring_result(&ring) == sizeof(answer) - 1);
		}
		close(here);
	}
	return 0;
}
