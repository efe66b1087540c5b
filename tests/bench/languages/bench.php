<?php
// SPDX-License-Identifier: MIT
//
// One log call in PHP: the example of client/languages/php.md (BW_LOG has its
// text), and Monolog's SyslogHandler.  bench.php CALLS ROUNDS
require getenv('BW_LOG');
require '/usr/share/php/Monolog/autoload.php';

[, $calls, $rounds] = $argv;
$handler = new Monolog\Handler\SyslogHandler('shop');
$monolog = new Monolog\Logger('shop', [$handler]);
$contestants = [
    'bw_log' => fn ($text) => bw_log($text),
    'Monolog, SyslogHandler' => fn ($text) => $monolog->info($text),
];
$results = [];
for ($round = 0; $round < $rounds; $round++) {
    foreach ($contestants as $name => $log) {
        $begin = hrtime(true);
        for ($i = 0; $i < $calls; $i++) {
            $log("user $i logged in");
        }
        $results[$name][] = (hrtime(true) - $begin) / $calls;
    }
}
foreach ($results as $name => $values) {
    sort($values);
    printf("php\t%s\t%.0f\n", $name, $values[intdiv(count($values), 2)]);
}
