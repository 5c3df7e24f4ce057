/* Functions with the names and the first instructions that matter to where a probe belongs; they do nothing. */
#define FUNCTION(name, body) __asm__(".globl " name "\n.type " name ", @function\n" name ":\n" body "\n.size " name ", .-" name "\n")

#if defined(__x86_64__)
FUNCTION("SSL_read", "push %rbx\n mov %rdi, %rbx\n pop %rbx\n ret");
FUNCTION("SSL_write", "endbr64\n sub $0x18, %rsp\n test %edx, %edx\n js 1f\n 1: add $0x18, %rsp\n ret");
FUNCTION("SSL_read_ex", "xor %eax, %eax\n mov %rdi, %rsi\n push %rbx\n pop %rbx\n ret");
FUNCTION("SSL_write_ex", "xor %eax, %eax\n 1: mov %eax, %r9d\n push %rbx\n pop %rbx\n dec %eax\n jnz 1b\n ret");
FUNCTION("SSL_free", "sub $8, %rsp\n mov %rdi, 8(%rsp)\n call *(%rdi)\n add $8, %rsp\n ret");
FUNCTION("gnutls_record_send", "xor %r8d, %r8d\n xor %ecx, %ecx\n jmp gnutls_record_send");
FUNCTION("gnutls_record_recv", "mov %edx, %edx\n push %rbx\n pop %rbx\n ret");
/* Of rustls, by both manglings; and parts of functions, and another type's, that are not they. */
#define COMMON_STATE "_ZN6rustls12common_state11CommonState"
FUNCTION(COMMON_STATE "23take_received_plaintext17h490df1cae7e4afd8E", "push %r15\n pop %r15\n ret");
FUNCTION("_RNvMs0_NtCsb1_6rustls12common_stateNtB5_11CommonState20send_appdata_encrypt", "push %rbp\n pop %rbp\n ret");
FUNCTION(COMMON_STATE "8send_msg17h490df1cae7e4afd8E.llvm.7", "push %rbx\n pop %rbx\n ret");
FUNCTION(COMMON_STATE "8send_msg17h490df1cae7e4afd8E.cold", "ret");
FUNCTION(COMMON_STATE "16send_msg_encrypt17h490df1cae7e4afd8E", "ret");
FUNCTION("_ZN6rustls6server11server_conn14EarlyDataState23take_received_plaintext17h490df1cae7e4afd8E", "ret");
#else
FUNCTION("SSL_read", "ret");
#endif

/* As errors of OpenSSL name their places. */
const char mark[] __attribute__((used)) = "../ssl/ssl_lib.c", other[] __attribute__((used)) = "../ssl/ssl_cert.c";

int main(void) { return 0; }
