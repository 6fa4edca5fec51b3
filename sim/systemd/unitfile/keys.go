package unitfile

import "strings"

// keysOf are the settings that a section may have, beyond those that this
// package acts on; systemd knows them, so they are no mistake.
var keysOf = map[string]string{
	"Unit": `Description Documentation Wants Requires Requisite BindsTo PartOf Upholds Conflicts Before After OnFailure
		OnSuccess PropagatesReloadTo ReloadPropagatedFrom PropagatesStopTo StopPropagatedFrom JoinsNamespaceOf RequiresMountsFor
		OnFailureJobMode OnSuccessJobMode IgnoreOnIsolate StopWhenUnneeded RefuseManualStart RefuseManualStop AllowIsolate
		DefaultDependencies CollectMode FailureAction SuccessAction FailureActionExitStatus SuccessActionExitStatus JobTimeoutSec
		JobRunningTimeoutSec JobTimeoutAction JobTimeoutRebootArgument StartLimitIntervalSec StartLimitInterval StartLimitBurst StartLimitAction
		RebootArgument SourcePath BindTo OnFailureIsolate`,
	"Install": `Alias WantedBy RequiredBy Also DefaultInstance`,
	"Service": `Type ExitType RemainAfterExit GuessMainPID PIDFile BusName ExecStart ExecStartPre ExecStartPost ExecCondition ExecReload
		ExecStop ExecStopPost RestartSec TimeoutStartSec TimeoutStopSec TimeoutAbortSec TimeoutSec TimeoutStartFailureMode TimeoutStopFailureMode
		RuntimeMaxSec RuntimeRandomizedExtraSec WatchdogSec Restart SuccessExitStatus RestartPreventExitStatus RestartForceExitStatus
		RootDirectoryStartOnly NonBlocking NotifyAccess Sockets FileDescriptorStoreMax USBFunctionDescriptors USBFunctionStrings OOMPolicy
		StartLimitInterval StartLimitBurst StartLimitAction FailureAction PermissionsStartOnly SysVStartPriority
		WorkingDirectory RootDirectory RootImage User Group DynamicUser SupplementaryGroups PAMName CapabilityBoundingSet AmbientCapabilities
		NoNewPrivileges SecureBits UMask LimitCPU LimitFSIZE LimitDATA LimitSTACK LimitCORE LimitRSS LimitNOFILE LimitAS LimitNPROC
		LimitMEMLOCK LimitLOCKS LimitSIGPENDING LimitMSGQUEUE LimitNICE LimitRTPRIO LimitRTTIME OOMScoreAdjust Nice CPUSchedulingPolicy
		CPUSchedulingPriority CPUSchedulingResetOnFork CPUAffinity IOSchedulingClass IOSchedulingPriority ProtectSystem ProtectHome
		RuntimeDirectory StateDirectory CacheDirectory LogsDirectory ConfigurationDirectory RuntimeDirectoryMode StateDirectoryMode
		CacheDirectoryMode LogsDirectoryMode ConfigurationDirectoryMode RuntimeDirectoryPreserve ReadWritePaths ReadOnlyPaths InaccessiblePaths
		ExecPaths NoExecPaths PrivateTmp PrivateDevices PrivateNetwork PrivateUsers PrivateMounts PrivateIPC ProtectHostname ProtectClock
		ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups RestrictAddressFamilies RestrictNamespaces
		LockPersonality MemoryDenyWriteExecute RestrictRealtime RestrictSUIDSGID RemoveIPC MountFlags MountAPIVFS ProtectProc ProcSubset
		BindPaths BindReadOnlyPaths TemporaryFileSystem SystemCallFilter SystemCallErrorNumber SystemCallArchitectures SystemCallLog
		Environment EnvironmentFile PassEnvironment UnsetEnvironment StandardInput StandardOutput StandardError StandardInputText
		StandardInputData LogLevelMax LogExtraFields LogRateLimitIntervalSec LogRateLimitBurst LogNamespace SyslogIdentifier SyslogFacility
		SyslogLevel SyslogLevelPrefix TTYPath TTYReset TTYVHangup TTYVTDisallocate TTYRows TTYColumns LoadCredential SetCredential
		IgnoreSIGPIPE UtmpIdentifier UtmpMode SELinuxContext AppArmorProfile SmackProcessLabel KeyringMode TimerSlackNSec Personality
		KillMode KillSignal RestartKillSignal SendSIGHUP SendSIGKILL FinalKillSignal WatchdogSignal Slice CPUAccounting CPUWeight
		StartupCPUWeight CPUShares CPUQuota CPUQuotaPeriodSec AllowedCPUs AllowedMemoryNodes MemoryAccounting MemoryMin MemoryLow MemoryHigh
		MemoryMax MemorySwapMax MemoryLimit TasksAccounting TasksMax IOAccounting IOWeight IODeviceWeight IOReadBandwidthMax
		IOWriteBandwidthMax IPAccounting IPAddressAllow IPAddressDeny DeviceAllow DevicePolicy Delegate DisableControllers ManagedOOMSwap
		ManagedOOMMemoryPressure ManagedOOMMemoryPressureLimit ManagedOOMPreference RestrictFileSystems NetworkNamespacePath IPCNamespacePath`,
	"Socket": `ListenStream ListenDatagram ListenSequentialPacket ListenFIFO ListenSpecial ListenNetlink ListenMessageQueue SocketProtocol
		BindIPv6Only Backlog BindToDevice SocketUser SocketGroup SocketMode DirectoryMode Accept Writable FlushPending MaxConnections
		MaxConnectionsPerSource KeepAlive NoDelay Priority DeferAcceptSec ReceiveBuffer SendBuffer IPTOS IPTTL Mark ReusePort PipeSize
		FreeBind Transparent Broadcast PassCredentials PassSecurity PassPacketInfo Timestamping TCPCongestion ExecStartPre ExecStartPost
		ExecStopPre ExecStopPost TimeoutSec Service RemoveOnStop Symlinks FileDescriptorName TriggerLimitIntervalSec TriggerLimitBurst`,
	"Timer": `OnActiveSec OnBootSec OnStartupSec OnUnitActiveSec OnUnitInactiveSec OnCalendar AccuracySec RandomizedDelaySec
		FixedRandomDelay OnClockChange OnTimezoneChange Unit Persistent WakeSystem RemainAfterElapse`,
	"Path":      `PathExists PathExistsGlob PathChanged PathModified DirectoryNotEmpty Unit MakeDirectory DirectoryMode TriggerLimitIntervalSec TriggerLimitBurst`,
	"Mount":     `What Where Type Options SloppyOptions LazyUnmount ReadWriteOnly ForceUnmount DirectoryMode TimeoutSec`,
	"Automount": `Where ExtraOptions DirectoryMode TimeoutIdleSec`,
	"Swap":      `What Priority Options TimeoutSec`,
	"Slice":     ``, "Scope": `RuntimeMaxSec`,
}

// SectionsOf returns the sections that a unit of a type may have.
func SectionsOf(kind string) []string {
	s := []string{"Unit", "Install"}
	if kind != "target" && kind != "device" && kind != "" {
		s = append(s, strings.ToUpper(kind[:1])+kind[1:])
	}
	return s
}

func knownKey(section, key string) bool {
	if strings.HasPrefix(key, "X-") {
		return true
	}
	if _, ok := conditionOf(key); ok && section == "Unit" {
		return true
	}
	return hasWord(keysOf[section], key) || section != "Unit" && section != "Install" && hasWord(keysOf["Service"], key)
}

// hasWord reports whether a word is in a list whose words are apart by blanks.
func hasWord(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}
