# SPDX-License-Identifier: BSD-2-Clause
# Draws what build/bench/figures measured: `gnuplot -e 'last=10' figures.gp` where the data lie, `last`
# being the last second. A column for each version, a row for each rate of loss; the two of a row have
# the same axes.

set encoding utf8
set border 3 lc rgb "#555555"
set tics nomirror tc rgb "#333333"
set grid ytics lc rgb "#d8d8d8" lw 0.6
set key off
set xrange [0:last]
set xtics 2
set style fill solid 0.18 noborder

array name[4] = ["6.2", "6.3", "6.4", "6.5"]
array first[4] = [0, 1, 2, 5] # panel
array rows[4] = [1, 1, 3, 3]
array burst[4] = ["200,000", "2,000,000", "15,000", "80,000"]
array class[4] = ["not acknowledged", "not acknowledged", "acknowledged", "acknowledged"]
array loss[3] = [1, 3, 5]
array colour[2] = ["#c0392b", "#1f6fb2"]
array version[2] = ["version 1 (the thesis's)", "version 2 (AES-256-GCM)"]

data(panel, v) = sprintf("panel-%d-v%d.dat", panel, v)
heading(f, r, v) = version[v] . (rows[f] == 1 ? "" : sprintf(", %d %% loss", loss[r]))

do for [f = 1:4] {
	set terminal pngcairo size 1240, 130 + 250 * rows[f] font "DejaVu Sans,10"
	set output sprintf("figure-%s.png", name[f])
	set multiplot layout rows[f], 2 margins char 11, char 3, char 4, char 5 spacing char 12, char 5.5 \
		title sprintf("Figure %s again: events that wait, %s every two seconds, %s", \
			name[f], burst[f], class[f]) font ",13"
	do for [r = 1:rows[f]] {
		panel = first[f] + r - 1
		set yrange [*:*]
		stats data(panel, 1) using 2 name "A" nooutput
		stats data(panel, 2) using 2 name "B" nooutput
		set yrange [0:1.08 * (A_max > B_max ? A_max : B_max)]
		set xlabel (r == rows[f] ? "seconds" : "")
		do for [v = 1:2] {
			set ylabel (v == 1 ? "events that wait" : "")
			set title heading(f, r, v) offset 0, -0.6
			set format y "%.0s%c"
			plot data(panel, v) using 1:2 with filledcurves y1=0 lc rgb colour[v], \
				data(panel, v) using 1:2 with lines lw 1.4 lc rgb colour[v]
		}
	}
	unset multiplot
	unset output
}
