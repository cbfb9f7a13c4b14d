/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Public keys of nobody: distinct, valid, of no low order. */
#ifndef TESTS_UNIT_KEYS_H
#define TESTS_UNIT_KEYS_H

#define KEY_A "9jalV3EEBnVXahro0pRMQ+cHlmjE33Slo9tddzCVtCw="
#define KEY_B "2RzKFbGMx5g7fG0BrWCI7JIpGvcwGkqUaCoENYueJw4="
#define KEY_C "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="
#define KEY_D "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
#define KEY_E "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
#define KEY_F "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_G "fH2WEgT/+GMEYguBe8sL1qYsd4SCphlLd1Q6G69+zHY="

#endif
