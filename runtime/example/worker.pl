#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
#
# A worker for functions in Perl: an example of how any language comes to run functions (docs/functions.md, "The
# worker pipe"). It is complete but for the larger kinds of state, windows and the like. A function is
#
#     sub main {
#         my ($event, $context) = @_;
#         my $syn = $context->{state}->counter('syn', $event->{data}{syn});
#         $context->{alert}->({ title => 'Many SYN segments', data => { syn => $syn } }) if $syn > 1000;
#     }
use strict;
use warnings;
use JSON::PP;
use Socket qw(AF_INET6 inet_ntop);

use constant { HELLO => 1, SCHEMA => 2, STATE => 3, START => 4, BATCH => 5, DROP => 6, EVICT => 7 };
use constant { READY => 64, RESULT => 65, FAILED => 66 };
use constant { COLLECT => 1, REPLY => 2, FULL => 4, EVENT_FAILED => 1, EVENT_SKIPPED => 2, EVENT_BYTES => 40, NS => 1_000_000_000 };

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my (%hello, %schemas, $main, @generations);

# What is remembered: key -> { hash, values => { name -> JSON } }; what of it has changed since that was last told; and
# what takes the changes of the event that runs back.
my (%keys, %changed, @undo);
my $full;    # what would make it larger is to be refused

package State {
    sub get {
        my ($self, $name) = @_;
        my $text = $keys{ $self->{key} } && $keys{ $self->{key} }{values}{$name};
        return defined $text ? $json->decode($text) : undef;
    }

    sub set { my ($self, $name, $value) = @_; return $self->change($name, $json->encode($value)) }
    sub delete { my ($self, $name) = @_; return $self->change($name, undef) }

    sub counter {
        my ($self, $name, $amount) = @_;
        my $sum = ($self->get($name) // 0) + $amount;
        $self->set($name, $sum);
        return $sum;
    }

    sub change {
        my ($self, $name, $text) = @_;
        my ($key, $hash) = @$self{qw(key hash)};
        my $entry = $keys{$key} //= { hash => $hash, values => {} };
        my ($before, $was_changed) = ($entry->{values}{$name}, $changed{$key}{$name});
        my $most = defined $before ? 64 + length $before : -1;
        die "StateFull: \"$name\" cannot grow\n" if $full && defined $text && length $text > $most;
        push @undo, sub { ($entry->{values}{$name}, $changed{$key}{$name}) = ($before, $was_changed) };
        ($entry->{values}{$name}, $changed{$key}{$name}) = ($text, 1);
        return;
    }
}

# ---- frames; in unpack()'s words a text is "V/a x": its length, so many bytes, and a zero ----

open my $pipe, '+<&=', 3 or die "descriptor 3: $!";
binmode $pipe;
$| = 1;

sub get_bytes {
    my ($count) = @_;
    my $bytes = '';
    exit 0 if $count > 0 && read($pipe, $bytes, $count) != $count;
    return $bytes;
}

sub put_frame {
    my ($type, $payload) = @_;
    my $frame = pack('V C x3 a*', length $payload, $type, $payload) . "\0" x (-length($payload) % 8);
    for (my $at = 0; $at < length $frame;) { $at += syswrite($pipe, $frame, length($frame) - $at, $at) // exit 0 }
    return;
}

# ---- records, in the machine's own order ----

my %form = (1 => 'C', 2 => 'S', 4 => 'L', 8 => 'Q');

sub ip_text {
    my ($bytes) = @_;
    my $is_v4 = substr($bytes, 0, 12) eq "\0" x 10 . "\xff\xff";
    return $is_v4 ? join('.', unpack 'x12 C4', $bytes) : inet_ntop(AF_INET6, $bytes);
}

sub time_text {
    my ($ns) = @_;
    my ($sec, $min, $hour, $day, $month, $year) = gmtime int($ns / NS);
    return '' if $ns == 0;
    return sprintf '%d-%02d-%02dT%02d:%02d:%02d.%09dZ', 1900 + $year, 1 + $month, $day, $hour, $min, $sec, $ns % NS;
}

sub decode {
    my ($schema, $record) = @_;
    my %data;
    for my $field (@{ $schema->{fields} }) {
        my ($name, $kind, $offset, $size) = @$field;
        my $bytes = substr $record, $offset, $size;
        $data{$name} =
              $kind eq 'ip'   ? ip_text($bytes)
            : $kind eq 'time' ? time_text(unpack 'Q', $bytes)
            :                   unpack($kind eq 'int' ? lc $form{$size} : $form{$size}, $bytes);
    }
    return \%data;
}

# ---- the function ----

sub load {
    my ($file, $name) = $hello{handler} =~ /\A(.*)\.([^.]*)\z/;
    chdir $hello{dir} or die "$hello{dir}: $!\n";
    do "$hello{dir}/$file.pl" or die $@ || "$file.pl: " . ($! || 'its last statement is not true') . "\n";
    $main = main->can($name) or die "$file.pl has no sub \"$name\"\n";
    return;
}

# Runs one event. Gives what it returned, or undef, and its alerts; dies if it fails. %$called: its key and data,
# if they stand beside its record.
sub call {
    my ($header, $schema, $record, $called) = @_;
    my ($hash, $time, $sequence, undef, $switch, $epoch, $index) = @$header;
    my $data = $called ? $json->decode($called->{data}) : decode($schema, $record);
    my $key = $called ? $called->{key} : join '|', map { $data->{$_} // '' } @{ $hello{key} };
    my %usual = (severity => 'medium', category => 'Network anomaly');
    my @alerts;
    my %event = (
        data              => $data,
        'event-id'        => $epoch == 0 ? "$switch-$sequence-$index" : "$switch-$epoch-$index-$sequence",
        'event-type'      => $schema->{name},
        'event-time'      => time_text($time),
        'event-namespace' => "switch/$switch",
    );
    my %context = (
        config => $hello{config},
        state  => bless({ key => $key, hash => $hash }, 'State'),
        alert  => sub { my ($alert) = @_; push @alerts, $json->encode({ %usual, %$alert }); return },
    );
    my $value = $main->(\%event, \%context);
    return ($value, @alerts);
}

sub run {
    my ($payload) = @_;
    my ($count, $flags) = unpack 'V V', $payload;
    my ($at, $failed, $reply, @exceptions, @alerts) = (8, 0, '');
    $full = $flags & FULL;
    for my $i (0 .. $count - 1) {
        my @header = unpack 'Q< Q< Q< V V V v C', substr $payload, $at, EVENT_BYTES;
        my ($hash, $generation) = @header[0, 7];
        my $schema = $schemas{ $header[3] };
        my $record = substr $payload, $at + EVENT_BYTES, $schema->{size};
        my $current = \$generations[$hash >> 60];
        my ($called, $value);
        $at += EVENT_BYTES + $schema->{size} + -$schema->{size} % 8;
        if ($flags & REPLY) {    # the only event; its key and data follow, empty if the record has them
            my ($key, $data) = unpack 'V/a x V/a x', substr $payload, $at;
            $called = { key => $key, data => $data } if $data ne '';
        }
        if ($generation != ($$current //= 0)) {    # it was sent before the engine knew that one failed
            push @exceptions, pack 'V C', $i, EVENT_SKIPPED;
        } elsif (eval {
            ($value, my @raised) = call(\@header, $schema, $record, $called);
            $reply = $json->encode($value) if $flags & REPLY && defined $value;
            push @alerts, map { pack 'V V/a x', $i, $_ } @raised;
            1;
        }) {
            @undo = ();
        } else {
            print STDERR my $reason = substr $@ =~ s/\0/?/gr, 0, 500;
            $_->() for reverse splice @undo;
            $$current = ($$current + 1) % 256;
            push @exceptions, pack 'V C V/a x', $i, EVENT_FAILED, $reason;
            $failed = 1;
        }
    }
    my $collects = $flags & COLLECT || $failed || @alerts;
    my @changes = $collects ? changes() : ();
    my $lists = join '', map { pack('V', scalar @$_), @$_ } \@exceptions, \@alerts, \@changes;
    my $said = ($collects ? COLLECT : 0) | ($reply ne '' ? REPLY : 0);
    $lists .= pack 'V/a x', $reply if $reply ne '';
    put_frame(RESULT, pack('V V', $count, $said) . $lists) if $count > 0 || $flags & COLLECT;
    return;
}

# All that has changed since the last time.
sub changes {
    my @changes;
    for my $key (keys %changed) {
        my ($hash, $values) = @{ $keys{$key} }{qw(hash values)};
        for my $name (grep { $changed{$key}{$_} } keys %{ $changed{$key} }) {
            my $value = defined $values->{$name} ? pack 'C V/a x', 0, $values->{$name} : pack 'C', 1;
            push @changes, pack('Q< V/a x V/a x', $hash, $key, $name) . $value;
            delete $values->{$name} if !defined $values->{$name};
        }
    }
    %changed = ();
    return @changes;
}

# ---- what comes ----

my %take = (
    HELLO, sub {
        (my $version, @hello{qw(name dir handler config timeout memory)}, my @key) =
            unpack 'v (V/a x)4 V V v/(V/a x)', $_[0];
        die "the engine speaks version $version of the pipe\n" if $version != 4;
        @hello{qw(config key)} = ($json->decode($hello{config}), \@key);
    },
    SCHEMA, sub {
        my ($id, $name, $size, @fields) = unpack 'V V/a x v v/(V/a x V/a x v v)', $_[0];
        $schemas{$id} = { name => $name, size => $size };
        push @{ $schemas{$id}{fields} }, [splice @fields, 0, 4] while @fields;
    },
    STATE, sub {
        my @rows = unpack 'V/(Q< V/a x V/a x V/a x)', $_[0];
        while (my ($hash, $key, $name, $text) = splice @rows, 0, 4) {
            $keys{$key} //= { hash => $hash };
            $keys{$key}{values}{$name} = $text;
        }
    },
    START, sub { put_frame(eval { load(); 1 } ? (READY, '') : (FAILED, pack 'V/a x', $@)) },
    BATCH, \&run,
    EVICT, sub {
        my %evicted = map { $_ => 1 } unpack 'Q<*', $_[0];
        my @gone = grep { $evicted{ $keys{$_}{hash} } } keys %keys;
        delete @keys{@gone};
        delete @changed{@gone};
    },
    DROP, sub {
        my ($partitions) = unpack 'v', $_[0];
        my @gone = grep { $partitions >> ($keys{$_}{hash} >> 60) & 1 } keys %keys;
        delete @keys{@gone};
        delete @changed{@gone};
        $generations[$_] = 0 for grep { $partitions >> $_ & 1 } 0 .. 15;
    },
);

while (1) {
    my ($length, $type) = unpack 'V C', get_bytes(8);
    my $payload = substr get_bytes($length + -$length % 8), 0, $length;
    $take{$type}->($payload);
}
