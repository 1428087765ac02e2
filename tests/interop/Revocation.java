import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CRLReason;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateRevokedException;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.PKIXRevocationChecker.Option;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Asks the PKIX validator of the JDK whether chains are good, and if a certificate is revoked, since when and why.
 *
 * Reads a table of cases: name, leaf, chain, root (files in PEM), and how to find out: `ocsp`, `crl`: only so, from where the certificates
 * say; or a file with a list, DER: only from that, and only about the leaf. Prints for each its name, and `good`, or `revoked`, the unix
 * time and the reason of RFC 5280, or `refused` and why.
 */
public final class Revocation {
    public static void main(String[] arguments) throws Exception {
        Security.setProperty("com.sun.security.onlyCheckRevocationOfEECert", "true");
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] field = line.split("\t", -1);
            System.out.println(field[0] + "\t" + judge(field[1], field[2], field[3], field[4]));
        }
    }

    private static String judge(String leaf, String chain, String root, String how) throws Exception {
        try {
            verify(leaf, chain, root, how);
            return "good";
        } catch (CertPathValidatorException error) {
            boolean revoked = error.getReason() == CertPathValidatorException.BasicReason.REVOKED && error.getIndex() == 0;
            if (revoked && error.getCause() instanceof CertificateRevokedException why) {
                return "revoked\t" + why.getRevocationDate().getTime() / 1000 + "\t" + named(why.getRevocationReason());
            }
            return "refused\t" + error.getReason() + " " + error.toString().replace('\n', ' ');
        }
    }

    private static void verify(String leaf, String chain, String root, String how) throws Exception {
        List<X509Certificate> path = new ArrayList<>(read(leaf));
        path.addAll(read(chain));
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(read(root).get(0), null)));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        switch (how) {
            // A root answers no questions about status: its issuers' certificates are on its list.
            case "ocsp" -> checker.setOptions(EnumSet.of(Option.NO_FALLBACK, Option.ONLY_END_ENTITY));
            case "crl" -> checker.setOptions(EnumSet.of(Option.NO_FALLBACK, Option.PREFER_CRLS));
            default -> {
                checker = null;
                var list = factory.generateCRL(new ByteArrayInputStream(Files.readAllBytes(Path.of(how))));
                parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(List.of(list))));
            }
        }
        if (checker != null) {
            parameters.addCertPathChecker(checker);
        }
        parameters.setRevocationEnabled(true);
        validator.validate(factory.generateCertPath(path), parameters);
    }

    private static String named(CRLReason reason) {
        String[] words = reason.name().toLowerCase().split("_");
        StringBuilder name = new StringBuilder(words[0]);
        for (int index = 1; index < words.length; index++) {
            // As RFC 5280 writes the reasons of a leaf: keyCompromise.
            name.append(Character.toUpperCase(words[index].charAt(0))).append(words[index].substring(1));
        }
        return name.toString();
    }

    private static List<X509Certificate> read(String file) throws Exception {
        List<X509Certificate> certificates = new ArrayList<>();
        try (FileInputStream stream = new FileInputStream(file)) {
            for (var certificate : CertificateFactory.getInstance("X.509").generateCertificates(stream)) {
                certificates.add((X509Certificate) certificate);
            }
        }
        return certificates;
    }
}
