/* Answers one request in the clear: marks PORT. It holds what OpenSSL's errors name, as scanners and debuggers do, and no TLS. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char marks[] __attribute__((used)) = "../ssl/ssl_lib.c\0../ssl/ssl_cert.c\0/rustls-0.23.0/src/conn.rs";

int main(int count, char **words) {
  static char request[4096];
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(words[1]) : 0), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 8)) return 1;
  for (;;) {
    int peer = accept(listener, NULL, NULL);
    const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmark";
    if (read(peer, request, sizeof request) > 0 && write(peer, answer, strlen(answer)) < 0) return 1;
    close(peer);
  }
}
