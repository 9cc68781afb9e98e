/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Window, crash and dedup of protocol version 2 (docs/protocol-2.md), as small as they show: one lane of N
 * events, a window of W, a network that loses, reorders and duplicates, an agent and a server of which
 * each may die, the server also while a function is at work and between commit and answer, and an agent
 * that begins sessions when it likes. What holds in every run: no event has its effect twice, effects
 * are in order, the agent frees nothing that is not committed, an incarnation that was closed has no
 * effect any more and its end is where its effects end, and the agent is never without a way to the end.
 *
 *     spin -search -m100000 link.pml       -DBUG=1 ... 6 each break it, to show that it can break;
 *                                          -DN=3 takes three times as long
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef N
#define N 2 /* events of an incarnation: up to 3 */
#endif
#define W            2 /* the receiver's window */
#define KILLS        1 /* of the server */
#define INCARNATIONS 2 /* of the agent */
#define LINKS        2 /* datagrams under way to the server */
#define SESSIONS     (KILLS + INCARNATIONS + 1)

/* Datagrams: whichever is taken next, in any order, or lost. */
chan to_server = [LINKS] of {byte, byte}; /* session, sequence */
chan to_agent = [1] of {byte, byte};      /* session, processed before */

/* The store: what survives the server. Effects are those of the epoch; at its end they are counted. */
byte boot = 0;    /* the incarnation that the mark is of; 0: none */
byte epoch = 0;   /* how many were admitted */
byte mark = 0;    /* below: committed */
byte effects = 0; /* bit by sequence: effects that were applied */

/* The server's memory. */
byte session = 0;  /* the newest, which its control channel opened; 0: none */
byte received = 0;
bool working = false; /* a function is: on an event of an epoch */
byte work, work_epoch;

/* The agent. */
byte incarnation = 1;
byte freed = 0;     /* below: no longer in the spool */
byte sent_end = 0;  /* from here on: never sent */
byte agent_session = 0;
byte sessions = 0, kills = 0;

/* HELLO and WELCOME on a reliable channel: the marks are those of the store. */
inline open_session()
{
	atomic {
		if
#if BUG == 6
		:: boot == 0 -> /* another incarnation is taken for the one before */
#else
		:: boot != incarnation ->
#endif
			/* One transaction: what lies beyond the mark is declared, and the epoch begins. */
			assert(effects == (1 << mark) - 1);
			boot = incarnation;
			epoch++;
			mark = 0;
			effects = 0;
			received = 0
		:: else
		fi;
		sessions++;
		session = sessions;
		agent_session = sessions;
#if BUG != 1
		received = received | ((1 << mark) - 1);
#else
		received = 0; /* the mark is not restored */
		mark = 0;
#endif
		assert(mark >= freed && mark <= sent_end);
		freed = mark
	}
}

active proctype agent()
{
	byte sequence, before, from;

	do
	:: freed == N -> break
	:: freed < N && session == 0 -> open_session()
	/* Of its own accord, as long as enough are left for the deaths. */
	:: freed < N && session != 0 &&
		sessions + 1 + KILLS - kills + INCARNATIONS - incarnation <= SESSIONS -> open_session()
	:: agent_session != 0 && nfull(to_server) ->
		/* Any event in the window, again and again: loss, probes, duplicates. */
		atomic {
			if
			:: sequence = freed
			:: freed + 1 < N && W > 1 -> sequence = freed + 1
			fi;
			sent_end = (sequence + 1 > sent_end -> sequence + 1 : sent_end);
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
	/* kill -9: the spool is lost, and the session with its keys. */
	:: atomic {
		incarnation < INCARNATIONS ->
		incarnation++;
		freed = 0;
		sent_end = 0;
		agent_session = 0
	   };
	   open_session()
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
	/* A function is given the next event. */
	:: atomic {
		session != 0 && !working && mark < N && (received & (1 << mark)) ->
#if BUG == 4
		work = mark + 1; /* out of order: the newest first */
		if
		:: work < N && (received & (1 << work)) -> skip
		:: else -> work = mark
		fi;
#else
		work = mark;
#endif
		work_epoch = epoch;
		working = true
	   }
	/* It is done. One transaction: the effect and the mark, unless the epoch is another by now. */
	:: atomic {
		working ->
		working = false;
		if
#if BUG != 5
		:: work_epoch != epoch -> skip
		:: else ->
#else
		:: true ->
#endif
			assert(work_epoch == epoch);
			assert(!(effects & (1 << work)));
			assert(work == 0 || (effects & (1 << (work - 1))));
			effects = effects | (1 << work);
#if BUG != 3
			mark++
#else
			if /* the mark is a transaction of its own, which the server may not live to make */
			:: mark++
			:: session = 0; received = 0
			fi
#endif
		fi
	   }
	:: atomic { session != 0 && nfull(to_agent) -> to_agent!session, mark }
	/* Loss. */
	:: atomic { nempty(to_server) -> to_server?from, sequence }
	:: atomic { nempty(to_agent) -> to_agent?from, sequence }
	/* kill -9: memory is lost, and what a function was doing; the store stays. */
	:: atomic {
		kills < KILLS && session != 0 ->
		kills++;
		session = 0;
		received = 0;
		working = false
	   }
	od
}
