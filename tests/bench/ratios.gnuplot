# gnuplot -e "data='FILE'; out='FILE.svg'" tests/bench/ratios.gnuplot
# A bar a comparison: how many times as fast as the processes the helper is.
set terminal svg size 860,420 font "sans-serif,13" background rgb "#ffffff"
set output out
set datafile separator "\t"
set style data histogram
set style histogram clustered gap 1
set style fill solid border -1
set boxwidth 0.9
set logscale y 2
set yrange [0.5:*]
set grid ytics
set ylabel "times as fast as the processes (log)"
set xtics rotate by -30 scale 0
set rmargin 14 # the last name leans out of the plot
set key top left
plot data using 2:xtic(1) title "called by root" linecolor rgb "#2b6cb0", \
     data using 3 title "called by the owner (polkit asked)" linecolor rgb "#90cdf4", \
     data using 0:($4 > 0 ? $4 : 1/0) with points pointtype 2 pointsize 1.2 \
         linecolor rgb "#c53030" title "bar, for root", \
     1 with lines linecolor rgb "#444444" notitle
