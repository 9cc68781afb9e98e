# SPDX-License-Identifier: BSD-2-Clause
# For tests/unit/engine/test_calls.c: counts calls by key, and answers.
use strict;
use warnings;
use POSIX ();

sub main {
    my ($event, $context) = @_;
    my $said = $event->{data}{body}{said} // '';
    my $calls = $context->{state}->counter('calls', 1);
    die "Error: as told\n" if $said eq 'throw';
    POSIX::_exit(3) if $said eq 'exit';
    return undef if $said eq 'nothing';
    return 'x' x (2 << 20) if $said eq 'endless';
    return { type => $event->{'event-type'}, calls => $calls, said => $said eq '' ? $event->{data}{syn} : $said };
}

1;
