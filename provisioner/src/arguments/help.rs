//! What `--help` says behind the options.

pub(super) const EXIT_STATUSES: &str = "\
Exit status:
  0  done: all units passed, or their certificates are deferred
  1  failed, or the line stopped: the operator, the link, the journal; the same command may succeed
  2  wrong usage: arguments, or a list with mistakes
  3  the configuration or the station's credential cannot be used
  4  the journal is damaged, or of another order or installation
  5  not confirmed; nothing was changed
  6  done, but some units failed, were refused, or were not made; or a list that came line by line
     had mistakes; or the doctor found something bad
  7  the CA was not reached, or the order is paused or not yet open: run it again later

Errors go to standard error: what happened, because of what, and what to do next.
Ctrl-C, SIGTERM or SIGHUP (the end of a terminal; not under nohup) stops the line when the units
on the bench are finished; a second one aborts them.";

pub(super) const RESUME_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station resume --config station.toml";

pub(super) const RECONCILE_HELP: &str = "\
Exit status: see touchmark-station --help. 6 when the CA refused certificates.

Example:
  touchmark-station reconcile --config station.toml";

pub(super) const FINISH_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station finish --config station.toml --work-order wo-000017 --slots 4 \\
      --link 'tcp:bench-3:40{slot:02}'";

pub(super) const LABELS_HELP: &str = "\
A label is PRODUCT_SERIAL.svg and PRODUCT_SERIAL.png: a QR code, and the serial number below it. A
serial number with characters other than A-Z, 0-9 and - is written with - in their place and a
digest behind it. labels.csv has a line for each: serial, product, certificate_serial,
key_fingerprint, code (the text of the QR code), svg, png. The text is
  TM1:CERTIFICATE:KEY:PRODUCT/SERIAL
CERTIFICATE is the serial number of the birth certificate, KEY the SHA-256 of its public key
(SubjectPublicKeyInfo), both hexadecimal. A rework adds a line and replaces the pictures.

Exit status: see touchmark-station --help. 6: units have no label.

Example:
  touchmark-station labels --config station.toml --work-order wo-000017 labels";

pub(super) const REPORT_HELP: &str = "\
Exit status: see touchmark-station --help. 0 also when units failed: the report says which.

Example:
  touchmark-station report --config station.toml --units --json";

pub(super) const DOCTOR_HELP: &str = "\
Exit status: see touchmark-station --help. 0 when nothing is bad, 6 when something is, 4 when the
journal is damaged.

Example:
  touchmark-station doctor --config station.toml --slots 8 --link 'tcp:bench-3:40{slot:02}'";

pub(super) const COMPLETIONS_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station completions bash > /etc/bash_completion.d/touchmark-station";

pub(super) const SCRAP_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station scrap --config station.toml --work-order wo-000017 \\
      --remark 'cracked lens' SN000123";

pub(super) const REWORK_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station rework --config station.toml --work-order wo-000017 \\
      --remark 'new board' SN000123";

pub(super) const GIVE_UP_HELP: &str = "\
Exit status: see touchmark-station --help.

Example:
  touchmark-station give-up --config station.toml --work-order wo-000017 \\
      --remark 'torn label' SN000124";

pub(super) const PROVISION_HELP: &str = "\
Links:
  exec:COMMAND    a command for each device, spoken to on its standard input and output;
                  {serial}, {product}, {slot} and {slot:02} are filled in, quotes are as in a
                  shell, and no shell takes part
  tcp:HOST:PORT   a device server; {slot}, {slot:02}, {serial} and {product} are filled in, so that
                  each fixture can have an address of its own: tcp:bench-3:40{slot:02}
  serial:PORT[:BAUD]
                  a serial port: 8N1, raw, no flow control, 115200 baud unless said otherwise, and
                  used by one program at a time. PORT is one of
                    PATH               for example /dev/ttyUSB{slot}, or better a link that keeps
                                       its name, in /dev/serial/by-id or /dev/serial/by-path
                    usb=SERIALNUMBER   the port of the USB adapter with this serial number
                    usb-path=BUS-PORT  the port of the adapter in this socket: usb-path=1-2.{slot}
                  usb=SERIALNUMBER#1 is interface 1 of an adapter with several ports. A list has
                  the ports of the slots in order: serial:usb=A50285BI,A50285BJ:921600. {slot},
                  {slot:02}, {serial} and {product} are filled in. A port that goes away is looked
                  for again, also under another name; the other slots go on meanwhile.

Modes (--mode, or `mode` in station.toml):
  scan    A barcode scanner types serial numbers, each with Enter. With one slot: insert the unit,
          scan it, go. With several, scan the slot's own code first (SLOT-03, slot 3, or
          `slot-codes`), or the next free slot is taken and shown. Nothing is begun for a scan that
          cannot be used; the reason is shown at once. Ctrl-D ends the run when the units on the
          bench are finished.
  device  A unit says its own serial number. The CA is asked about it before anything else.
  list    --serials, or the work order, says the units; they are on the fixtures when they are
          begun.
  In scan and device a fixture without a unit waits: a command that ends or says nothing (exec:), a
  refused connection (tcp:), silence. What is on a slot is asked without telling it anything, so a
  unit that is taken away, or exchanged, is noticed. A unit that is finished stays until it is taken
  away. Scan and device end when as many units have passed as the order, or --limit, allows.

  Without the CA (offline = \"allowed\", or --offline at once): the units that are reserved are
  locked with everything but their certificates; `report` shows them as deferred. Reserve before: a
  run with --keep-reservation does, and takes a further block when half of one is left. Everything
  is checked as usual, the request as the CA will check it. A reservation that is over, or a clock
  that was set, makes no unit. Of a list, what is not reserved waits for the CA; with --offline it
  is not begun. When the CA answers again and issues, the line asks it as before. By default a line
  stops without the CA.

  Three failures in a row with the same reason pause the line: mend the cause, then press Enter.
  Where standard input is no terminal, the run ends instead. What no unit can have caused stops the
  line at once: a program or host that does not exist, a refused credential, a wrong clock.

Serials:
  A plain list has one serial number a line; lines that begin with # are comments. A table has a
  header with a column of serial numbers and may have `product`; other columns are kept for the
  report. Commas, semicolons or tabs; UTF-8, or UTF-16 as spreadsheets write it. A serial number
  with a space or quotes, and a row without a digit among others with digits (a total), are
  mistakes. All mistakes are told at once, and nothing is begun. A column `slot` says the slot of a
  unit. A pipe or a terminal is read line by line as it comes: a mistake costs its line alone, is
  told at once and counted (exit status 6).
  Without --serials the units are those of the work order: its range, or its manifest.
  The CA reserves serial numbers for this station before units are told them, in blocks: no other
  station and no other order uses them. What no unit was told goes back at the end of the run.

station.toml:
  server = \"https://ca.example.com:8443\"  the CA
  credentials = \".\"         directory of cert.pem, chain.pem, trust.pem, key.pem (mode 0600)
  journal = \"DIR\"           directory of the journal; by default
                            $STATE_DIRECTORY/journal, or beside the directory of the credential,
                            with -journal behind its name
  connect-timeout-ms = 5000
                            until a connection is made or a port is open
  write-timeout-ms = 10000  until a device takes a frame
  answer-timeout-ms = 3000  a request to a device is sent again after this time
                            A serial line adds to these two the time that the bytes need.
  sends-max = 10            how often one request is sent to a device in all
  noise-bytes-max = 1048576 bytes without a whole frame among them; more end the unit
  port-patience-s = 30      how long a slot waits for its serial port when it is away, or in use by
                            another program; then the slot takes no further units in this run
  device-root = \"/\"         where sys and dev are, for usb= and usb-path=
  ca-patience-s = 60        how long a call is repeated while the CA cannot answer
  reserve-units = 500       the most units of one block, 1 to 1000; by default as the CA is
                            configured
  reserve-hours = 12        how long units of a block may be begun, 1 to 168; by default as the CA
                            is configured
  offline = \"never\"         allowed: while the CA cannot be asked, units that are reserved are
                            made; they get their certificates later (touchmark-station
                            reconcile, finish)
  keep-reservation = false  whether whole blocks are taken, and kept after the run
                            (--keep-reservation)
  mode = \"scan\"             how units come: scan, device or list; --mode overrides it
  scanner = \"PATH[:BAUD]\"   a serial scanner; --scanner overrides it
  slot-codes = [\"A\", \"B\"]   barcodes of the slots 1, 2, …, beside SLOT-01, SLOT-02, …
  operator-prefix = \"OP:\"   a scan that begins so names who makes the units from then on, for the
                            closing report
  [shifts]                  names of shifts and their local times, for the closing report; at the
                            end of the file:
  early = \"06:00-14:00\"     they do not overlap, and may cross midnight
  confirm-slot = false      whether Enter must confirm the slot that is shown for a scan
  probe-interval-ms = 1000  how often a fixture is asked whether a unit is there
  pause-after-failures = 3  so many failures in a row with one reason pause the line; 0 never
  metrics = \"ADDRESS:PORT\"  where a run serves its figures (docs/metrics.md), in plain HTTP at
                            /metrics; a port alone is on the loopback; nowhere unless it is set
  on-fail = \"bell\"          what happens when a unit fails: the terminal's bell, or a command as a
                            list, [\"PROGRAM\", \"ARGUMENT\"], which may take 10 s; no shell takes
                            part. It is told in TOUCHMARK_SERIAL, _SLOT, _REASON, _MESSAGE,
                            _PRODUCT and _WORK_ORDER
  screen = false            whether a run is shown on the whole terminal; --screen and --plain
                            override it
  Paths are relative to the file. TOUCHMARK_STATION_SERVER, TOUCHMARK_STATION_CREDENTIALS,
  TOUCHMARK_STATION_JOURNAL, TOUCHMARK_STATION_MODE, TOUCHMARK_STATION_SCANNER and
  TOUCHMARK_STATION_METRICS override it.

Exit status: see touchmark-station --help.

Examples:
  touchmark-station provision --config station.toml --work-order wo-000017 \\
      --link 'exec:touchmark-agent factory --state devices/{serial} --stdio'
  touchmark-station provision --config station.toml --work-order wo-000017 --mode scan \\
      --slots 4 --link 'tcp:bench-3:40{slot:02}'";
