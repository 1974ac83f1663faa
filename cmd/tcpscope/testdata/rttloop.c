/*
 * rttloop: what "tcpscope rtt" does on the wire and nothing else: a SYN to each
 * of many hosts at even intervals, an RST for each SYN-ACK. It is the measure of
 * what that costs at least: one thread, one system call a segment, and a wait
 * that ends when the next round of SYNs is due or an answer is there.
 *
 *	rttloop SOURCE PORT FIRST-TARGET TARGETS INTERVAL-US SECONDS FIRST-PORT PORTS ROUND-US
 *
 * Its ports are taken by listeners that swallow everything, so that the kernel
 * keeps silent. It prints how many it has sent and how many were answered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define SECOND 1000000000LL

/* Linux's own: mss 1460, sackOK, TS, nop, wscale 10 */
static const uint8_t options[20] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 10};

struct datagram {
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t options[sizeof options];
};

static struct datagram syn, rst;
static uint32_t source, first; /* the first target, in host order */
static uint16_t first_port, ports;
static long targets, sent, answered;
static uint32_t *iss; /* the last of each target and port */

static void check(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static uint32_t sum(const void *data, size_t n, uint32_t s)
{
	const uint16_t *p = data;
	for (; n > 1; n -= 2)
		s += *p++;
	return s;
}

static void transmit(int fd, struct datagram *d, uint32_t to, size_t options)
{
	struct sockaddr_in dst = {.sin_family = AF_INET, .sin_addr.s_addr = to};
	size_t segment = sizeof d->tcp + options;
	uint32_t s;

	d->ip.daddr = to;
	d->ip.tot_len = htons(sizeof d->ip + segment);
	d->tcp.doff = segment / 4;
	d->tcp.check = 0;
	s = sum(&d->ip.saddr, 8, htons(IPPROTO_TCP) + htons(segment));
	s = sum(&d->tcp, segment, s);
	s = (s >> 16) + (s & 0xffff);
	s += s >> 16;
	d->tcp.check = ~s;
	check(sendto(fd, d, sizeof d->ip + segment, 0, (struct sockaddr *)&dst, sizeof dst) > 0, "sendto");
}

/* A listener that gets nothing keeps the kernel from answering for its port. */
static void swallow(uint16_t port)
{
	struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {1, none};
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = source, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	check(fd >= 0, "socket");
	check(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0, "filter");
	check(bind(fd, (struct sockaddr *)&local, sizeof local) == 0, "bind");
	check(listen(fd, 1) == 0, "listen");
}

/* Only segments to our ports come in. */
static int receiver(void)
{
	struct sock_filter ours[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first_port, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first_port + ports, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {sizeof ours / sizeof *ours, ours};
	int room = 4 << 20, fd = socket(AF_INET, SOCK_RAW, IPPROTO_TCP);

	check(fd >= 0, "socket");
	check(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0, "filter");
	check(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == 0, "room");
	return fd;
}

static void probe(int tx)
{
	long target = sent % targets, rotation = sent / targets % ports;
	uint32_t isn = random();

	iss[target * ports + rotation] = isn;
	syn.tcp.source = htons(first_port + rotation);
	syn.tcp.seq = htonl(isn);
	transmit(tx, &syn, htonl(first + target), sizeof options);
	sent++;
}

static void answer(int tx, const uint8_t *buffer)
{
	const struct iphdr *ip = (const void *)buffer;
	const struct tcphdr *tcp = (const void *)(buffer + ip->ihl * 4);
	uint32_t target = ntohl(ip->saddr) - first, rotation = ntohs(tcp->dest) - first_port;

	if (target >= targets || rotation >= ports || !tcp->syn || !tcp->ack ||
	    ntohl(tcp->ack_seq) != iss[target * ports + rotation] + 1)
		return;
	rst.tcp.source = tcp->dest;
	rst.tcp.seq = tcp->ack_seq;
	transmit(tx, &rst, ip->saddr, 0);
	answered++;
}

static void receive(int tx, int rx)
{
	static uint8_t buffers[BATCH][128];
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];

	for (int i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){buffers[i], sizeof buffers[i]};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
	}
	int n = recvmmsg(rx, messages, BATCH, MSG_DONTWAIT, NULL);
	check(n > 0 || errno == EAGAIN, "recvmmsg");
	for (int i = 0; i < n; i++)
		answer(tx, buffers[i]);
}

int main(int argc, char **argv)
{
	if (argc != 10)
		return 2;
	source = inet_addr(argv[1]);
	first = ntohl(inet_addr(argv[3]));
	targets = atol(argv[4]);
	first_port = atoi(argv[7]);
	ports = atoi(argv[8]);
	int64_t step = atol(argv[5]) * 1000LL / targets;
	int64_t round = atol(argv[9]) * 1000LL, next = 0;
	long probes = atol(argv[6]) * SECOND / step;

	iss = calloc(targets * ports, sizeof *iss);
	int tx = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), rx = receiver();
	check(tx >= 0 && iss, "socket");
	for (int i = 0; i < ports; i++)
		swallow(first_port + i);
	rst.ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .saddr = source, .frag_off = htons(IP_DF)};
	rst.tcp.dest = htons(atoi(argv[2]));
	syn = rst;
	rst.tcp.rst = 1;
	syn.tcp.syn = 1;
	syn.tcp.window = htons(64240);
	memcpy(syn.options, options, sizeof options);
	srandom(time(NULL));

	int64_t begin = now();
	while (sent < probes || answered < sent) {
		if (sent < probes && now() >= next) {
			next = now() + round;
			while (sent < probes && begin + sent * step <= now())
				probe(tx);
		}
		/* The last answers get a second. */
		int64_t due = begin + sent * step, rest = (due > next ? due : next) - now() + (sent < probes ? 0 : SECOND);
		struct timespec wait = {rest / SECOND, rest % SECOND};
		struct pollfd readable = {.fd = rx, .events = POLLIN};
		if (rest <= 0 && sent == probes)
			break;
		if (rest <= 0 || ppoll(&readable, 1, &wait, NULL) > 0)
			receive(tx, rx);
	}
	printf("%ld %ld\n", sent, answered);
	return 0;
}
