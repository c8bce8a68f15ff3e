# gnuplot -e "data='FILE'; out='FILE.svg'" tests/bench/machines.gnuplot
# What one machine more, or one less, costs on a host that fills.
set terminal svg size 860,420 font "sans-serif,13" background rgb "#ffffff"
set output out
set datafile separator "\t"
set yrange [0:*]
set grid ytics
set xlabel "machines on the host"
set ylabel "milliseconds"
set key bottom right
plot data using 1:2 with linespoints pointtype 7 pointsize 0.6 linecolor rgb "#2b6cb0" title "CreateMachine", \
     data using 1:3 with linespoints pointtype 7 pointsize 0.6 linecolor rgb "#90cdf4" title "DestroyMachine", \
     data using 1:4 with linespoints pointtype 7 pointsize 0.6 linecolor rgb "#444444" \
         title "the bare unit and VMM"
