/*
 * Functions with the names that rustls has in optimised programs of 0.20 to 0.22, by both manglings, and with names that are
 * much like them; they do nothing. SENDS is the one of those that send which the compiler left.
 */
#define FUNCTION(name) __asm__(".globl \"" name "\"\n.type \"" name "\", %function\n\"" name "\":\nnop\nret\n.size \"" name "\", .-\"" name "\"\n")
#define TRAFFIC(version) "_ZN91_$LT$rustls..client.." version "..ExpectTraffic$u20$as$u20$rustls..common_state..State$LT$rustls..client..client_conn..ClientConnectionData$GT$$GT$"

FUNCTION(TRAFFIC("tls12") "6handle17h0123456789abcdefE");
FUNCTION(TRAFFIC("tls13") "6handle17h0123456789abcdefE.llvm.7");
FUNCTION("_RNvXs5_NtNtCsdj8cbBY6GeC_6rustls6server5tls13NtB5_13ExpectTrafficINtNtB9_4conn5StateNtNtB7_11server_conn20ServerConnectionDataE6handle");
FUNCTION("_RNCNvXs5_NtNtCsdj8cbBY6GeC_6rustls6server5tls13NtB5_13ExpectTrafficINtNtB9_4conn5StateNtNtB7_11server_conn20ServerConnectionDataE6handle0B9_");
FUNCTION(TRAFFIC("tls13") "22export_keying_material17h0123456789abcdefE");
FUNCTION(TRAFFIC("tls13") "6handle28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE");
FUNCTION("_ZN6rustls6client5tls1313ExpectTraffic23handle_new_ticket_tls1317h0123456789abcdefE");
FUNCTION("_ZN6rustls12common_state11CommonState20send_single_fragment17h0123456789abcdefE");
FUNCTION("_ZN6rustls12common_state11CommonState8send_msg17h0123456789abcdefE");
#ifdef SENDS
FUNCTION("_ZN6rustls12common_state11CommonState" SENDS "17h0123456789abcdefE");
#endif

const char panic[] __attribute__((used)) = "/src/index/rustls-" VERSION "/src/conn.rs";

int main(void) { return 0; }
