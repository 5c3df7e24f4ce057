/* A server and a client over OpenSSL's interface, for libraries that no program of the distribution is linked with.
 *
 *   tls serve PORT CERTIFICATE KEY    the routes that every test server has, and /sized/NAME?status=S&size=N
 *   tls ask PORT [--wait] [/PATH...]  the calls that every client makes, and these; with --wait those after the first when
 *                                     told to
 *
 * HTTP/1.1, a thread for each connection, a socket of its own for each session. With -DKTLS the kernel encrypts, and what is
 * asked for below /sized/ is sent out of a file. Neither end goes on where the kernel does not. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST = 1 << 17 };

#ifndef KTLS
#define encrypt_in_kernel(context) ((void)0)
#define check_that_kernel_encrypts(ssl) ((void)0)
#endif

static SSL_CTX *context;

static void give_up(const char *what) {
  fprintf(stderr, "%s failed\n", what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

#ifdef KTLS
static void encrypt_in_kernel(SSL_CTX *context) { SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS); }

static void check_that_kernel_encrypts(SSL *ssl) {
  if (!BIO_get_ktls_send(SSL_get_wbio(ssl))) give_up("TLS in the kernel");
}
#endif

/* What came of one direction, and where its first message ends. */
struct input {
  char bytes[LONGEST + 1];
  int held;
};

/* Reads until the head and as much of the body as it names are there; gives the length of both, 0 at the end. */
static int message(SSL *ssl, struct input *in, int *head) {
  for (;;) {
    in->bytes[in->held] = 0;
    char *end = strstr(in->bytes, "\r\n\r\n");
    if (end) {
      *head = end + 4 - in->bytes;
      char *length = strcasestr(in->bytes, "\r\ncontent-length:");
      int body = length && length < end ? atoi(length + 17) : 0;
      if (in->held >= *head + body) return *head + body;
    }
    int got = SSL_read(ssl, in->bytes + in->held, LONGEST - in->held);
    if (got <= 0) return 0;
    in->held += got;
  }
}

static void consume(struct input *in, int length) {
  in->held -= length;
  memmove(in->bytes, in->bytes + length, in->held);
}

static void say(SSL *ssl, const char *bytes, int length) {
  if (SSL_write(ssl, bytes, length) != length) give_up("SSL_write");
}

/* A body of this length by itself: out of a file where the kernel encrypts. */
static void send_body(SSL *ssl, int size) {
  static char body[LONGEST];
#ifdef KTLS
  FILE *file = tmpfile();
  memset(body, 'b', size);
  fwrite(body, 1, size, file);
  fflush(file);
  for (off_t at = 0; at < size;) {
    ossl_ssize_t sent = SSL_sendfile(ssl, fileno(file), at, size - at, 0);
    if (sent <= 0) give_up("SSL_sendfile");
    at += sent;
  }
  fclose(file);
#else
  memset(body, 'b', size);
  if (size) say(ssl, body, size);
#endif
}

static void answer(SSL *ssl, const char *request) {
  int status = 404, size = -1;
  const char *body = "missing", *asked = strchr(request, '?');
  char head[256];
  if (!strncmp(request, "GET /items", 10)) status = 200, body = "[1,2,3]";
  else if (!strncmp(request, "POST /orders", 12)) status = 201, body = "{\"id\":7}";
  else if (!strncmp(request, "GET /fails", 10)) status = 500, body = "oops";
  else if (!strncmp(request, "GET /slow", 9)) usleep(60000), status = 200, body = "slow";
  else if (asked && strstr(request, "/sized/")) sscanf(asked, "?status=%d&size=%d", &status, &size);
  int length = snprintf(head, sizeof head, "HTTP/1.1 %d Told\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                        status, size < 0 ? (int)strlen(body) : size, size < 0 ? body : "");
  say(ssl, head, length);
  if (size >= 0 && size < LONGEST) send_body(ssl, size);
}

static void *serve(void *socket) {
  SSL *ssl = SSL_new(context);
  struct input *in = calloc(1, sizeof *in);
  int length, head;
  SSL_set_fd(ssl, (int)(long)socket);
  if (SSL_accept(ssl) == 1) {
    check_that_kernel_encrypts(ssl);
    while ((length = message(ssl, in, &head))) {
      answer(ssl, in->bytes);
      consume(in, length);
    }
    SSL_shutdown(ssl);
  }
  SSL_free(ssl);
  close((int)(long)socket);
  free(in);
  return NULL;
}

static void listen_at(struct sockaddr_in *address, char **files) {
  context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_file(context, files[0], SSL_FILETYPE_PEM) != 1) give_up("the certificate");
  if (SSL_CTX_use_PrivateKey_file(context, files[1], SSL_FILETYPE_PEM) != 1) give_up("the key");
  encrypt_in_kernel(context);
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)address, sizeof *address) || listen(listener, 128)) give_up("listening");
  for (;;) {
    pthread_t thread;
    long socket = accept(listener, NULL, NULL);
    if (socket >= 0 && !pthread_create(&thread, NULL, serve, (void *)socket)) pthread_detach(thread);
  }
}

static void call(SSL *ssl, struct input *in, const char *method, const char *path, const char *body) {
  char request[512];
  int head, length = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", method,
                              path, (int)strlen(body), body);
  say(ssl, request, length);
  length = message(ssl, in, &head);
  if (!length) give_up("the answer");
  consume(in, length);
}

static int ask(struct sockaddr_in *address, int waits, char **words) {
  static struct input in;
  context = SSL_CTX_new(TLS_client_method());
  encrypt_in_kernel(context);
  int peer = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(peer, (struct sockaddr *)address, sizeof *address)) give_up("connecting");
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, peer);
  if (SSL_connect(ssl) != 1) give_up("the handshake");
  check_that_kernel_encrypts(ssl);
  if (waits) {
    call(ssl, &in, "GET", "/items?before=1", "");
    puts("connected");
    fflush(stdout);
    getchar();
  }
  for (int number = 0; number < 3; number += 1) {
    char path[32];
    snprintf(path, sizeof path, "/items?n=%d", number);
    call(ssl, &in, "GET", path, "");
  }
  call(ssl, &in, "POST", "/orders", "{\"q\": 12}");
  call(ssl, &in, "GET", "/missing", "");
  call(ssl, &in, "GET", "/fails", "");
  call(ssl, &in, "GET", "/slow", "");
  for (; *words; words += 1)
    if (**words == '/') call(ssl, &in, "GET", *words, "");
  SSL_shutdown(ssl);
  SSL_free(ssl);
  close(peer);
  return 0;
}

int main(int count, char **words) {
  signal(SIGPIPE, SIG_IGN);
  if (count < 3) return 2;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int waits = 0;
  for (int at = 3; at < count; at += 1) waits |= !strcmp(words[at], "--wait");
  if (strcmp(words[1], "serve")) return ask(&address, waits, words + 3);
  if (count < 5) return 2;
  listen_at(&address, words + 3);
}
