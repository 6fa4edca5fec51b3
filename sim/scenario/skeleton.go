package scenario

import "strings"

// Skeleton returns a lab file to start from: two hosts, a task with a check, a
// solution and a mistake. It parses, and its solution passes.
func Skeleton(id string) []byte {
	return []byte(strings.ReplaceAll(skeleton, "LAB-ID", id))
}

const skeleton = `# yaml-language-server: $schema=lab.schema.json
lab: LAB-ID
title:
  ja: ログを残す
  en: Keep a log
objectives: ["1.09.2"]
difficulty: 1
time: 10m
text:
  ja: |
    server の rsyslog が止まっています。動かして、ログが残るようにしてください。
  en: |
    rsyslog is stopped on server. Start it so that messages are kept again.
vars:
  marker: {token: 6}
networks:
  lan: {subnet: 192.168.0.0/24}
hosts:
  server:
    networks: {lan: 192.168.0.10}
    services: {rsyslog: stopped}
  client:
    networks: {lan: 192.168.0.20}
tasks:
  - id: run
    title: {ja: rsyslog を動かす, en: Start rsyslog}
    points: 40
    hints:
      - {ja: サービスの状態は systemctl status で分かります。, en: systemctl status shows the state of a service.}
    checks:
      - service: {host: server, unit: rsyslog, active: true}
  - id: keep
    title: {ja: メッセージを残す, en: Keep a message}
    needs: [run]
    points: 60
    checks:
      - log:
          send: {host: server, priority: user.info, text: "probe {{marker}}"}
          arrives: {host: server, file: /var/log/messages}
        within: 5s
solutions:
  - name: reference
    steps:
      - {id: start, host: server, run: systemctl start rsyslog}
mistakes:
  - name: only-enabled
    from: reference
    replace: {start: systemctl enable rsyslog}
    fails: {run: service-not-active}
`
