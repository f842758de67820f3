/*
 * An empty filter on libmilter: every callback registered, each answers "continue".
 * It is the yardstick of tests/bench/run. Usage: empty_libmilter unix:PATH
 */
#include <libmilter/mfapi.h>

#include <stdio.h>
#include <sysexits.h>

static sfsistat on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
	(void)ctx, (void)name, (void)address;
	return SMFIS_CONTINUE;
}

/* HELO, and commands that are unknown. */
static sfsistat on_text(SMFICTX *ctx, char *text)
{
	(void)ctx, (void)text;
	return SMFIS_CONTINUE;
}

static sfsistat on_unknown(SMFICTX *ctx, const char *command)
{
	(void)ctx, (void)command;
	return SMFIS_CONTINUE;
}

/* MAIL and RCPT: the address and its ESMTP parameters. */
static sfsistat on_envelope(SMFICTX *ctx, char **arguments)
{
	(void)ctx, (void)arguments;
	return SMFIS_CONTINUE;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx, (void)name, (void)value;
	return SMFIS_CONTINUE;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *chunk, size_t size)
{
	(void)ctx, (void)chunk, (void)size;
	return SMFIS_CONTINUE;
}

/* DATA, end of headers, end of message, abort and close. */
static sfsistat on_event(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
	struct smfiDesc filter = {
		.xxfi_name = "empty_libmilter",
		.xxfi_version = SMFI_VERSION,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_text,
		.xxfi_envfrom = on_envelope,
		.xxfi_envrcpt = on_envelope,
		.xxfi_data = on_event,
		.xxfi_header = on_header,
		.xxfi_eoh = on_event,
		.xxfi_body = on_body,
		.xxfi_eom = on_event,
		.xxfi_abort = on_event,
		.xxfi_close = on_event,
		.xxfi_unknown = on_unknown,
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s unix:PATH\n", argv[0]);
		return EX_USAGE;
	}
	/* The default backlog of 20 refuses clients when a thousand connect at once. */
	if (smfi_setconn(argv[1]) != MI_SUCCESS || smfi_setbacklog(1024) != MI_SUCCESS ||
	    smfi_register(filter) != MI_SUCCESS) {
		fprintf(stderr, "%s: cannot set up the filter on %s\n", argv[0], argv[1]);
		return EX_UNAVAILABLE;
	}
	return smfi_main() == MI_SUCCESS ? EX_OK : EX_SOFTWARE;
}
