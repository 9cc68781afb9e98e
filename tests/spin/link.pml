/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Window, crash and dedup of protocol version 2 (docs/protocol-2.md 9), as small as they show: one
 * lane of N events, a window of W, a network that loses, reorders and duplicates, a server that may
 * die between commit and answer, and an agent that begins sessions when it likes. What holds in
 * every run: no event has its effect twice, effects are in order, the agent frees nothing that is
 * not committed, and it is never without a way to the end.
 *
 *     spin -search -m100000 link.pml       -DBUG=1 ... 4 each break it, to show that it can break
 */
#ifndef BUG
#define BUG 0
#endif
#define N        3 /* events */
#define W        2 /* the receiver's window */
#define KILLS    1 /* of the server */
#define LINKS    2 /* datagrams under way to the server */
#define SESSIONS (KILLS + 2)

/* Datagrams: whichever is taken next, in any order, or lost. */
chan to_server = [LINKS] of {byte, byte};       /* session, sequence */
chan to_agent = [1] of {byte, byte};        /* session, processed before */

/* The store: what survives the server. */
byte mark = 0;    /* below: committed */
byte effects = 0; /* bit by sequence: effects that were applied */

/* The server's memory. */
byte session = 0; /* the newest, which its control channel opened; 0: none */
byte received = 0;

/* The agent. */
byte freed = 0;   /* below: no longer in the spool */
byte agent_session = 0;
byte sessions = 0, kills = 0;

inline open_session()
{
	/* HELLO and WELCOME on a reliable channel: the marks are those of the store. */
	atomic {
		sessions++;
		session = sessions;
		agent_session = sessions;
#if BUG != 1
		received = received | ((1 << mark) - 1);
#else
		received = 0; /* the mark is not restored */
		mark = 0;
#endif
		assert(mark >= freed);
		freed = mark;
	}
}

active proctype agent()
{
	byte sequence, before, from;

	do
	:: freed == N -> break
	:: freed < N && session == 0 -> open_session()
	/* Of its own accord, as long as enough are left for the server's deaths. */
	:: freed < N && session != 0 && sessions + 1 + KILLS - kills <= SESSIONS -> open_session()
	:: agent_session != 0 && nfull(to_server) ->
		/* Any event in the window, again and again: loss, probes, duplicates. */
		atomic {
			if
			:: sequence = freed
			:: freed + 1 < N && W > 1 -> sequence = freed + 1
			fi;
			to_server!agent_session, sequence
		}
	:: atomic {
		if /* any of those that are under way */
		:: to_agent??from, 0 -> before = 0
		:: to_agent??from, 1 -> before = 1
		:: to_agent??from, 2 -> before = 2
		:: to_agent??from, 3 -> before = 3
		fi;
		if
#if BUG == 2
		:: true -> freed = (before > freed -> before : freed)
#else
		:: from == agent_session -> freed = (before > freed -> before : freed)
		:: else
#endif
		fi;
		assert(freed <= mark)
	   }
	od
}

active proctype server()
{
	byte sequence, from;

end:	do
	:: atomic {
		if
		:: to_server??from, 0 -> sequence = 0
		:: to_server??from, 1 -> sequence = 1
		:: to_server??from, 2 -> sequence = 2
		fi;
		if
		:: from == session && session != 0 ->
#if BUG == 2
			if
			:: nfull(to_agent) -> to_agent!session, sequence + 1
			:: else
			fi;
#endif
			received = received | (1 << sequence)
		:: else
		fi
	   }
	/* One transaction: the effect and the mark. */
	:: atomic {
		session != 0 && mark < N && (received & (1 << mark)) ->
#if BUG == 4
		sequence = mark + 1; /* out of order: the newest first */
		if
		:: sequence < N && (received & (1 << sequence)) -> skip
		:: else -> sequence = mark
		fi;
#else
		sequence = mark;
#endif
		assert(!(effects & (1 << sequence)));
		assert(sequence == 0 || (effects & (1 << (sequence - 1))));
		effects = effects | (1 << sequence);
#if BUG != 3
		mark++
#else
		if /* the mark is a transaction of its own, which the server may not live to make */
		:: mark++
		:: session = 0; received = 0
		fi
#endif
	   }
	:: atomic { session != 0 && nfull(to_agent) -> to_agent!session, mark }
	/* Loss. */
	:: atomic { nempty(to_server) -> to_server?from, sequence }
	:: atomic { nempty(to_agent) -> to_agent?from, sequence }
	/* kill -9: memory is lost, the store stays. */
	:: atomic { kills < KILLS && session != 0 -> kills++; session = 0; received = 0 }
	od
}
