# Lifetimes as cumulative distributions, left in time, right in events: what does not come to 100%
# outlived the recording.
# Data: blocks of time (curves of them), then as many of events, each name in the first line; columns
# life (ns, or events), percent of all recorded allocations that was freed by then.
# Wants: data_file, curves, names, and what style.gp wants.
load "style.gp"
lasting(v) = v < 1 ? 1 : v
stats data_file index 0 using (lasting($1)) name "TIME" nooutput
stats data_file index curves using (lasting($1)) name "EVENTS" nooutput
set logscale x
set yrange [0:100]
set key off
set tmargin
set bmargin
set multiplot layout 1, 2 margins 0.08, 0.77, pixels(100), 1 - pixels(80) spacing 0.03, 0
set ylabel "share of all allocated objects (%)"
set xlabel "life in time"
decades = log10(TIME_max / TIME_min)
set xtics () nomirror
array ticks[13] = ["1 ns", "10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", \
                   "1 s", "10 s", "100 s", "1000 s"]
do for [e=0:12:(decades > 5 ? 2 : 1)] { set xtics add (ticks[e + 1] 10.0 ** e) }
set xrange [TIME_min / 1.2:TIME_max * 1.2]
set linetype 101 linecolor rgb word(colors, 7) linewidth 2 dashtype 1
set linetype 102 linecolor rgb word(colors, 1) linewidth 2 dashtype (16, 6)
set linetype 103 linecolor rgb word(colors, 2) linewidth 2 dashtype (5, 5)
plot for [i=0:curves-1] data_file index i using (lasting($1)):2 with lines \
         linetype 101 + i title names[i + 1]
eval captions_done
unset ylabel
set format y ""
set xlabel "life in events of all streams"
set xrange [EVENTS_min / 1.2:EVENTS_max * 1.2]
set xtics () nomirror
array powers[10] = ["1", "10", "100", "1000", "10,000", "100,000", "1 M", "10 M", "100 M", "1000 M"]
do for [e=0:9:(log10(EVENTS_max / EVENTS_min) > 5 ? 2 : 1)] { set xtics add (powers[e + 1] 10.0 ** e) }
set key at screen 0.99, screen 1 - pixels(80) right top vertical Left reverse
plot for [i=0:curves-1] data_file index curves + i using (lasting($1)):2 with lines \
         linetype 101 + i title names[i + 1]
unset multiplot
