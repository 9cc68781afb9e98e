# SPDX-License-Identifier: BSD-2-Clause
# Functions for tests/unit/engine/test_engine.c. data->{syn} carries a number, data->{udp} an order.
use strict;
use warnings;
use POSIX ();

my @orders = (
    sub { },
    sub { POSIX::_exit(3) },    # at once: exit closes the pipe first, and then it takes a while
    sub { die "Error: as told\n" },
    sub { sleep 1000 },
    sub { 1 while 1 },
    sub {
        open my $pipe, '>&=', 3;
        syswrite $pipe, "\xff\xff\xff\xff this is no frame at all";
        1 while 1;
    },
    sub {
        my ($context) = @_;
        $context->{state}->counter('sum', 1_000_000);
        $context->{alert}->({ title => 'must not be seen' });
        die "after a write\n";
    },
);

# Adds syn up by source and keeps the last one.
sub main {
    my ($event, $context) = @_;
    my ($syn, $udp) = @{ $event->{data} }{qw(syn udp)};
    $orders[$udp]->($context);
    $context->{state}->counter('sum', $syn);
    $context->{state}->set('last', $syn);
    return;
}

sub slow {
    select undef, undef, undef, 0.002;
    return main(@_);
}

# As main, for sources whose events carry 0, 1, 2 ... in `syn`: keeps what came out of that order.
sub ordered {
    my ($event, $context) = @_;
    my ($syn, $udp) = @{ $event->{data} }{qw(syn udp)};
    my $state = $context->{state};
    my $next = ($state->get('last') // -1) + 1;
    $orders[$udp]->($context);
    $state->set('odd', "$syn instead of $next") if $syn != $next;
    $state->counter('sum', 1);
    $state->set('last', $syn);
    return;
}

sub alerts {
    my ($event, $context) = @_;
    my $data = { syn => $event->{data}{syn} };
    $context->{alert}->({ severity => 'high', title => 'first', category => 'test', data => $data });
    $context->{alert}->({ title => 'second', srcip => undef, dstport => 99 });
    return;
}

# Says what it sees of its surroundings.
sub surroundings {
    my ($event, $context) = @_;
    opendir my $dir, '/proc/self/fd' or die $!;
    my @fds = grep { /\A\d+\z/ && $_ != fileno $dir } readdir $dir;
    open my $status, '<', '/proc/self/status' or die $!;
    my ($no_new_privs) = map { /NoNewPrivs:\s*(\d)/ } <$status>;
    my $seen = sprintf '{"env":[%s],"fds":%d,"extraFds":[%s],"status":"%s","group":%s}',
        join(',', map { "\"$_\"" } sort keys %ENV), scalar(grep { $_ < 4 } @fds), join(',', grep { $_ > 3 } @fds),
        $no_new_privs, getpgrp == $$ ? 'true' : 'false';
    $context->{state}->change('seen', $seen);
    return;
}

sub prints {
    my ($event) = @_;
    print "told $event->{data}{syn}\e[31m\n";
    print STDERR 'x' x 5000, "\n";
    return;
}

1;
